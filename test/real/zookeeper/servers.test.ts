/** How noded sees each ZooKeeper server, on real ones, and the operator's command that restarts one (environment/zookeeper-servers.ts). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../../src/config/load.ts';
import type { ZooKeeperServers as Servers } from '../../../src/environment/zookeeper-servers.ts';
import { realZooKeeperServers } from '../../../src/real/zookeeper/servers.ts';
import { ZooKeeperServers, pause, until } from '../../support/zookeeper.ts';

let ensemble: ZooKeeperServers;
const dir = mkdtempSync(join(tmpdir(), 'nk-zks-'));
const answerMs = 1000;

function seenAs(servers: readonly string[], more: object = {}): Servers {
  const loaded = loadConfig(JSON.stringify({ cluster: { name: 'c' }, zookeeper: { servers, ...more } }));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return realZooKeeperServers(loaded.config, null);
}
const healths = async (servers = seenAs(ensemble.addresses())) =>
  (await servers.look(answerMs)).map(({ health }) => health);

beforeAll(async () => {
  ensemble = await ZooKeeperServers.start({ servers: 3 });
}, 60_000);
afterEach(() => ensemble.restore());
afterAll(async () => {
  await ensemble.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('ZKS1, ZKS2: serves; frozen it hangs, within the time; killed it is away; in their order', async () => {
  expect(await healths()).toEqual(['serves', 'serves', 'serves']);
  await ensemble.freeze(1);
  const startMs = performance.now();
  expect(await healths()).toEqual(['serves', 'hangs', 'serves']);
  expect(performance.now() - startMs).toBeLessThan(answerMs + 1000);
  await ensemble.thaw(1);
  await ensemble.end(2);
  await until('two serve', 20_000, async () => (await healths()).join() === 'serves,serves,away');
}, 60_000);

it('ZKS2: without a quorum the one that is left serves nobody', async () => {
  await Promise.all([ensemble.end(0), ensemble.end(1)]);
  await until('it says so', 20_000, async () => (await healths()).join() === 'away,away,hangs');
}, 60_000);

it('ZKS2: a frozen server whose backlog is full, so that nobody is connected any more, still hangs', async () => {
  await ensemble.freeze(0);
  const [address = ''] = ensemble.addresses();
  const open: Socket[] = [];
  let connected = 0;
  for (let count = 0; count < 200; count += 1) {
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.on('connect', () => (connected += 1));
    open.push(socket);
  }
  await pause(500);
  expect(connected).toBeLessThan(200);
  expect(await healths()).toEqual(['hangs', 'serves', 'serves']);
  for (const socket of open) socket.destroy();
}, 60_000);

describe('the server of this machine', () => {
  const own = (servers: readonly string[], more: object = {}) => seenAs(servers, more).own();

  it('is the only one whose host is this machine, by name or address, or the one that is configured', async () => {
    expect(await own(['198.51.100.1:2181', '127.0.0.1:2181', '198.51.100.3:2181'])).toBe('127.0.0.1:2181');
    expect(await own(['198.51.100.1:2181', `${hostname().toLowerCase()}:2181`])).toBe(
      `${hostname().toLowerCase()}:2181`,
    );
    expect(await own(['198.51.100.1:2181', '198.51.100.2:2181'])).toBe(null);
    expect(await own(['127.0.0.1:2181', '127.0.0.1:2182'])).toBe(null); // not clear which
    expect(await own(['127.0.0.1:2181', '127.0.0.1:2182'], { ownServer: '127.0.0.1:2182' })).toBe('127.0.0.1:2182');
  });
});

describe('the command', () => {
  const three = ['a:2181', 'b:2181', 'c:2181'];
  const restart = async (script: string, restartTimeout = '5s') => {
    const command = seenAs(three, { restartCommand: ['sh', '-c', script], restartTimeout }).restart;
    if (command === null) throw new Error('no command');
    const startMs = performance.now();
    const done = await command('b:2181', 'it hangs', new AbortController().signal);
    return { ...done, tookMs: performance.now() - startMs };
  };

  it('ZKS4: exit code 0 is success, with what it wrote; it is told which server and why', async () => {
    expect(await restart('echo "$NODEKEEPER_SERVER: $NODEKEEPER_REASON"')).toMatchObject({
      ok: true,
      because: 'exit code 0: b:2181: it hangs',
      output: 'b:2181: it hangs',
    });
    expect(await restart('echo no such unit >&2; exit 5')).toMatchObject({
      ok: false,
      because: 'exit code 5: no such unit',
      output: 'no such unit',
    });
  });

  it('ZKS3: it is killed at its timeout, with all that it started', async () => {
    const file = join(dir, 'pid');
    const done = await restart(`(trap "" TERM; sleep 60; sleep 60) & echo $! > ${file}; wait`, '1s');
    expect(done).toMatchObject({ ok: false, because: expect.stringMatching(/no end within 1 s; killed/) as string });
    expect(done.tookMs).toBeLessThan(2000);
    const pid = Number(readFileSync(file, 'utf8'));
    await until('its child is gone', 2000, () => !lives(pid));
  });

  it('there is none without configuration', () => expect(seenAs(three).restart).toBe(null));
});

function lives(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}
