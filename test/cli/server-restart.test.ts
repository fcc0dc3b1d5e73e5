/** The built noded on a real ensemble: a ZooKeeper server hangs, and the noded of its machine restarts it by the operator's command. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/environment/store.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { askServers } from '../../src/real/zookeeper/ask-servers.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { HistoryEvent } from '../../src/records/history.ts';
import { ServerRestart } from '../../src/records/server-restart.ts';
import { tree } from '../../src/records/tree.ts';
import { keyRing } from '../support/keys.ts';
import { ZooKeeperServers, until } from '../support/zookeeper.ts';

const nodedMain = new URL('../../dist/daemon/main.js', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-zkr-'));
const keyText = newKeyText();
const nodeds: ChildProcess[] = [];
let servers: ZooKeeperServers;
let store: Store;

const ran = join(dir, 'ran');
const runs = (): string[] => {
  try {
    return readFileSync(ran, 'utf8').trim().split('\n');
  } catch {
    return [];
  }
};

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Node number N is on the machine of the server number N. */
async function noded(number: number): Promise<void> {
  const name = `node${number}`;
  const own = servers.addresses()[number - 1] ?? '';
  // The server is frozen; to continue it is its restart here.
  const command = [
    'sh',
    '-c',
    `echo ${name} $NODEKEEPER_SERVER >> ${ran}; kill -CONT ${servers.pid(number - 1)}; echo woken`,
  ];
  const port = await freePort();
  const zookeeper = {
    ...{ servers: servers.addresses(), tickTime: '500ms', ownServer: own },
    ...{ restartCommand: command, restartAfter: '10s', restartTimeout: '5s' },
  };
  const config = {
    cluster: { name: 'c', keyFile: join(dir, 'key') },
    node: { name, stateDir: join(dir, name) },
    api: { socket: join(dir, `${name}.sock`), address: '127.0.0.1', port },
    zookeeper,
    keepalive: { interval: '1s' },
    fencing: { enabled: false },
  };
  const file = join(dir, `${name}.json`);
  writeFileSync(file, JSON.stringify(config), { mode: 0o600 });
  const script = `exec "${process.execPath}" "${nodedMain}" --config "${file}" > "${join(dir, name)}.log" 2>&1`;
  nodeds.push(spawn('sh', ['-c', script], { stdio: 'ignore' }));
}

async function events(): Promise<string[]> {
  const listed = await store.list(tree.history);
  const read = await Promise.all((listed.ok ? listed.names : []).map((name) => store.read(`${tree.history}/${name}`)));
  const all = read.flatMap((one) => (one.ok ? [HistoryEvent.parse(JSON.parse(one.text))] : []));
  return all.filter(({ kind }) => kind === 'zookeeper-restart').map(({ because }) => because);
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start({ servers: 3 });
  writeFileSync(join(dir, 'key'), keyText, { mode: 0o600 });
  store = openZooKeeperStore({
    ...{ servers: servers.addresses(), root: '/nodekeeper/c', keys: keyRing(keyText) },
    ...{ sessionTimeoutMs: 10_000, connectTimeoutMs: 500, requestTimeoutMs: 3000 },
  });
  for (const number of [1, 2]) await noded(number);
  const isUp = async (name: string) => (await store.read(tree.session(name))).ok;
  await until('both run', 30_000, async () => (await isUp('node1')) && (await isUp('node2')));
}, 90_000);
afterAll(async () => {
  const ends = nodeds.map((child) => new Promise((resolve) => child.once('exit', resolve)));
  for (const child of nodeds) child.kill('SIGKILL');
  await Promise.all(ends);
  await store.close(500);
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('the frozen server is continued by the noded of its machine, once, and serves again', async () => {
  await servers.freeze(1);
  await until('it was restarted', 60_000, () => runs().length > 0);
  expect(runs()).toEqual([`node2 ${servers.addresses()[1] ?? ''}`]);
  await until('it serves', 20_000, async () =>
    (await askServers(servers.addresses(), 1000)).every(({ mode }) => mode !== null),
  );
  const own = servers.addresses()[1] ?? '';
  await until('the history says so', 20_000, async () =>
    (await events()).some((text) => text === `${own} serves again`),
  );
  const told = await events();
  expect(told).toHaveLength(3);
  expect(told[0]).toMatch(new RegExp(`^${own} hangs: .*the other coordinators see the same \\(node1\\)`));
  expect(told[1]).toMatch(/^zookeeper.restartCommand for .* succeeded after .*: exit code 0: woken$/);
  const read = await store.read(tree.serverRestart);
  expect(read.ok && ServerRestart.parse(JSON.parse(read.text))).toMatchObject({
    server: own,
    node: 'node2',
    state: 'over',
  });
  expect(readFileSync(join(dir, 'node2.log'), 'utf8')).toMatch(/ZooKeeper server restarted/);
  expect(runs()).toHaveLength(1);
}, 120_000);
