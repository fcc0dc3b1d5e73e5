/** What nodectl says of maintenance, of a role that nobody takes, and of names that are no node: records on a real ZooKeeper. */
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/environment/store.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { noFence } from '../../src/records/fence.ts';
import { Keepalive } from '../../src/records/keepalive.ts';
import { noPrimary } from '../../src/records/primary.ts';
import { printRecord } from '../../src/records/record.ts';
import { Registration } from '../../src/records/registration.ts';
import { tree } from '../../src/records/tree.ts';
import { keyRing } from '../support/keys.ts';
import { ZooKeeperServers, until } from '../support/zookeeper.ts';

const main = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-operator-words-'));
const keyText = newKeyText();
let servers: ZooKeeperServers;
let store: Store;
const env = () => ({ PATH: process.env['PATH'] ?? '', NODEKEEPER_CONFIG: join(dir, 'config.yaml') });

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
function nodectl(...args: string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { timeout: 60_000, env: env() }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 124, stdout, stderr });
    });
  });
}

async function put(path: string, text: string, mode: 'persistent' | 'ephemeral' = 'persistent'): Promise<void> {
  const read = await store.read(path);
  const done = read.ok ? await store.write(path, text, read.version) : await store.create(path, text, mode);
  expect(done).toMatchObject({ ok: true });
}

function registration(name: string): Registration {
  return Registration.parse({
    ...{ schema: 1, name, role: 'coordinator', priority: 100, incarnation: `boot:${name}`, bootId: 'boot' },
    ...{ machineId: name, hostname: name, intervalMs: 20_000, leaseMs: 1000, stopBoundMs: 1000, watchdogBoundMs: null },
    ...{ pid: 1, version: 'test', action: 'reboot', apiAddress: null, systemGuid: null, vms: null },
    ...{ levels: [], devices: [], devicesSealed: null },
  });
}
function keepalive(name: string, roleBlocked: string | null): Keepalive {
  return Keepalive.parse({
    ...{ schema: 1, incarnation: `boot:${name}`, sequence: 1, state: 'run', coordinatorState: 'secondary' },
    ...{ ineligible: null, roleBlocked, intervalMs: 20_000, shutdownMs: 0, wallMs: 0 },
    ...{ subsystems: {}, peers: {}, steppedDown: null },
  });
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start();
  writeFileSync(join(dir, 'key'), keyText, { mode: 0o600 });
  const lines = [
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }`,
    `node: { name: admin, stateDir: ${join(dir, 'none')} }`,
    `api: { socket: ${join(dir, 'sock')}, enabled: false }`,
    `zookeeper: { servers: ['${servers.addresses()[0] ?? ''}'], tickTime: 500ms }`,
    'keepalive: { interval: 20s }',
    'detection: { savingThrows: 3 }',
  ];
  writeFileSync(join(dir, 'config.yaml'), `${lines.join('\n')}\n`, { mode: 0o600 });
  store = openZooKeeperStore({
    ...{ servers: servers.addresses(), root: '/nodekeeper/c', keys: keyRing(keyText) },
    ...{ sessionTimeoutMs: 30_000, connectTimeoutMs: 500, requestTimeoutMs: 10_000 },
  });
  await until('connected', 10_000, () => store.session().state === 'connected');
  for (const path of [tree.nodes, tree.requests, tree.fencing, tree.maintenance]) await put(path, '');
  for (const name of ['node1', 'node2', 'node3']) {
    await put(tree.node(name), printRecord(registration(name)));
    await put(tree.keepalive(name), printRecord(keepalive(name, null)));
    await put(tree.session(name), '{}', 'ephemeral');
  }
}, 60_000);
afterAll(async () => {
  await store.close(500);
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('a maintenance is not replaced without --force; status says whose it is and how long it lasts; fence says it first', async () => {
  const begin = await nodectl('maintenance', 'on', '--node', 'node2', '--reason', 'new disk', '--for', '2h');
  expect(begin).toMatchObject({ code: 0, stdout: 'node2 is in maintenance for 2h\n' });
  const is = /node2 is in maintenance: new disk \(by \S+@\S+ since \S+ \S+, 1(20|19\.\d+) min left\)/;
  const second = await nodectl('maintenance', 'on', '--node', 'node2', '--reason', 'mine');
  expect(second.code).toBe(4);
  expect(second.stderr).toMatch(new RegExp(`${is.source}; nothing was changed\\. --force replaces it`));
  const { stdout } = await nodectl('maintenance', 'status');
  expect(stdout).toMatch(/^WHAT +MAINTENANCE +BY +SINCE +ENDS$/m);
  expect(stdout).toMatch(/^node2 +new disk +\S+@\S+ +\S+ \S+ +1(20|19\.\d+) min left$/m);
  expect(stdout).toMatch(/^node1 +- +- +- +-$/m);
  const asked = await nodectl('fence', 'node2');
  expect(asked.code).toBe(2);
  expect(asked.stderr).toMatch(new RegExp(`${is.source}. This will power-cycle node2`));
  const forced = await nodectl('maintenance', 'on', '--node', 'node2', '--reason', 'mine', '--force');
  expect(forced.code).toBe(0);
  expect((await nodectl('maintenance', 'status', '--node', 'node2')).stdout).toMatch(/node2 +mine .*switched off$/m);
  expect((await nodectl('maintenance', 'off', '--node', 'node2')).code).toBe(0);
}, 60_000);

it('Ctrl-C on a fence says what becomes of it; over a maintenance that is said even with --yes', async () => {
  await nodectl('maintenance', 'on', '--reason', 'switch replaced');
  const child = spawn(process.execPath, [main, 'fence', 'node2', '--yes'], { env: env() });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const request = async () => {
    const listed = await store.list(tree.requests);
    return listed.ok ? (listed.names[0] ?? null) : null;
  };
  await until('the request is there', 10_000, async () => (await request()) !== null);
  expect(stdout).toMatch(/^the cluster is in maintenance: switch replaced \(by /m);
  const requestId = await request();
  const fence = { ...noFence('node2'), id: 'f1', requestId, fencer: 'node1', state: 'intent' as const };
  await put(tree.fence('node2'), printRecord(fence));
  await new Promise((resolve) => setTimeout(resolve, 500));
  const code = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGINT');
  expect(await code).toBe(130);
  expect(stderr).toBe(
    'nodectl: interrupted: node2 is not fenced yet: node1 is at it, its state is "intent". This attempt is carried to its end; after it the fence goes on only if node2 publishes no keepalives. See: nodectl fence explain node2.\n',
  );
  expect(await request()).toBeNull();
  await put(tree.fence('node2'), printRecord(noFence('node2')));
  await nodectl('maintenance', 'off');
}, 60_000);

it.each([
  [['primary', 'takeover', '--node', 'node9']],
  [['primary', 'relinquish', '--to', 'node9']],
  [['events', '--node', 'node9']],
  [['fence', 'history', 'node9']],
])('%j: exit 2 and the nodes that there are', async (words) => {
  const said = await nodectl(...words);
  expect(said.code).toBe(2);
  expect(said.stderr).toMatch(/there is no node "node9"; (the nodes are|known): node1, node2, node3/);
});

it('after a restore each command that shows the role says why no coordinator takes it', async () => {
  const why =
    'ZooKeeper was restored from an old copy; node1 has not been heard since: start its noded, or, if it is off, nodectl fence confirm node1';
  const old = { state: 'primary' as const, holder: 'node3', incarnation: 'boot:before', epoch: 7 };
  await put(tree.primary, printRecord({ ...noPrimary, ...old, because: 'all resources run' }));
  expect((await nodectl('status')).stdout).toMatch(
    /^primary: nobody, epoch 7: node3's previous run ended; the role is free when its lease expires$/m,
  );
  await put(tree.keepalive('node3'), printRecord(keepalive('node3', why)));
  expect((await nodectl('status')).stdout).toContain(`primary: nobody takes the role: ${why}\n`);
  const status = (await nodectl('primary', 'status')).stdout;
  expect(status).toContain(`primary: nobody takes the role: ${why}\n`);
  expect(status).toMatch(/^node2 .* not now: see above$/m);
  const takeover = await nodectl('primary', 'takeover', '--node', 'node2');
  expect(takeover).toMatchObject({ code: 4 });
  expect(takeover.stderr).toContain(`nobody takes the role: ${why}`);
  expect(takeover.stderr).not.toContain('a switch is under way');
  expect(await nodectl('wait', '--for', 'primary', '--timeout', '300ms')).toMatchObject({
    code: 5,
    stderr: `nodectl: not so yet: nobody takes the role: ${why}\n`,
  });
  expect((await nodectl('explain', 'node1')).stdout).toContain(`nobody takes the primary role: ${why}\n`);
}, 60_000);

it('quorum status on a machine without a noded does not miss one', async () => {
  const said = await nodectl('quorum', 'status');
  expect(said.stdout).toMatch(/^quorum: /m);
  expect(said.stdout).not.toContain('noded of this machine');
  const file = join(dir, 'none.yaml');
  writeFileSync(
    file,
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }\nnode: { stateDir: ${join(dir, 'none')} }\nzookeeper: { servers: ['127.0.0.1:1'] }\napi: { socket: ${join(dir, 'sock')} }\n`,
    { mode: 0o600 },
  );
  const without = await nodectl('quorum', 'status', '--config', file);
  expect(without.code).toBe(1);
  expect(without.stdout).toContain(
    '! no noded runs on this machine: run nodectl quorum status on a coordinator for power and what is done\n',
  );
}, 60_000);
