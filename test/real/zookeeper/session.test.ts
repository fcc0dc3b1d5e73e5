/**
 * The hardened session against a real ZooKeeper and a proxy that loses, holds and mutilates. Each mend of
 * docs/decisions/0002 is named by its number. What the caller sees, and within what time, is printed as a table at the end.
 */
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import type { Store } from '../../../src/environment/store.ts';
import { checkLibrary, library } from '../../../src/real/zookeeper/library.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { Proxy } from '../../support/proxy.ts';
import { ZooKeeperServers, pause, until } from '../../support/zookeeper.ts';

const sessionTimeoutMs = 3000;
const connectTimeoutMs = 300;
const requestTimeoutMs = 1000;
const readTimeoutMs = sessionTimeoutMs / 3;
const measured: string[] = [];

const opened: Store[] = [];
const proxiesOpen: Proxy[] = [];
function proxyBefore(target: string): Proxy {
  const proxy = new Proxy(target);
  proxiesOpen.push(proxy);
  return proxy;
}
function open(servers: readonly string[], digest = 'nodekeeper:test'): Store {
  const root = '/nodekeeper/session';
  const keys = storeKeys(digest);
  const store = openZooKeeperStore({ servers, root, sessionTimeoutMs, connectTimeoutMs, requestTimeoutMs, keys });
  opened.push(store);
  return store;
}
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close(200)));
  await Promise.all(proxiesOpen.splice(0).map((proxy) => proxy.close()));
});
const connected = (store: Store, withinMs = 10_000) =>
  until('connected', withinMs, () => store.session().state === 'connected');

/** From now on: resolves when the session was suspended, however briefly (the next server may be there within 5 ms). */
function suspended(store: Store, withinMs: number): Promise<number> {
  let seen = store.session().state !== 'connected';
  const stop = store.onSession((view) => (seen ||= view.state !== 'connected'));
  return until('suspended', withinMs, () => seen).finally(stop);
}
/** A write that is expected to work, counted up. */
async function put(store: Store, path: string, text: string): Promise<void> {
  const made = await store.create(path, text, 'persistent');
  if (made.ok) return;
  const read = await store.read(path);
  expect(read).toMatchObject({ ok: true });
  if (read.ok) expect(await store.write(path, text, read.version)).toMatchObject({ ok: true });
}
const acked = (store: Store, withinMs: number) =>
  until('a write is acknowledged again', withinMs, async () => {
    const read = await store.read('/probe');
    return read.ok && (await store.write('/probe', 'x', read.version)).ok;
  });

afterAll(() => {
  if (process.env['NODEKEEPER_TEST_VERBOSE'] === '1')
    console.log(`what the caller sees (session timeout ${sessionTimeoutMs} ms):\n${measured.join('\n')}`);
});

describe('one server', () => {
  let servers: ZooKeeperServers;
  let address = '';
  beforeAll(async () => {
    servers = await ZooKeeperServers.start();
    address = servers.addresses()[0] ?? '';
  });
  afterEach(() => servers.restore());
  afterAll(() => servers.stop());

  it('M2: a frozen server is noticed within a third of the session timeout; requests fail; after the thaw writes work', async () => {
    const store = open([address]);
    await connected(store);
    await put(store, '/probe', 'x');
    await servers.freeze(0);
    const noticedMs = await suspended(store, readTimeoutMs * 2);
    expect(await store.write('/probe', 'y', 0)).toMatchObject({ ok: false, code: 'not-connected' });
    await servers.thaw(0);
    const backMs = await acked(store, 10_000);
    measured.push(
      `server frozen: suspended after ${Math.round(noticedMs)} ms; acknowledged writes ${Math.round(backMs)} ms after the thaw`,
    );
    await store.close(500);
  });

  it('M6: a request in flight to a frozen server ends as unclear within its deadline', async () => {
    const store = open([address]);
    await connected(store);
    await put(store, '/probe', 'x');
    await servers.freeze(0);
    const startMs = performance.now();
    const read = await store.read('/probe');
    const tookMs = performance.now() - startMs;
    expect(read).toMatchObject({ ok: false, code: 'unclear' });
    expect(tookMs).toBeLessThan(requestTimeoutMs + 300);
    await servers.thaw(0);
    measured.push(`request to a frozen server: unclear after ${Math.round(tookMs)} ms`);
    await acked(store, 10_000);
    await store.close(500);
  });

  it('a killed server is noticed at once; the session and its ephemerals survive the restart', async () => {
    const store = open([address]);
    await connected(store);
    await put(store, '/probe', 'x');
    const made = await store.create('/mine', 'x', 'ephemeral');
    expect(made).toMatchObject({ ok: true });
    const { id, generation } = store.session();
    servers.kill(0);
    const noticedMs = await suspended(store, 500);
    await pause(100);
    servers.boot(0);
    await servers.ready();
    const backMs = await acked(store, 15_000);
    measured.push(
      `server killed: suspended after ${Math.round(noticedMs)} ms; acknowledged writes ${Math.round(backMs)} ms after it is back`,
    );
    expect(store.session()).toMatchObject({ id, generation });
    expect(await store.read('/mine')).toMatchObject({ ok: true, owner: id });
    await store.close(500);
  });

  it('S6: the session expired while this client was frozen: lost, a new generation, and nothing from before is sent', async () => {
    const store = open([address]);
    const other = open([address]);
    await connected(store);
    await connected(other);
    await put(store, '/probe', 'before');
    await store.create('/expiring', 'x', 'ephemeral');
    const before = store.session();
    const read = await store.read('/probe');
    const seen: string[] = [];
    store.onSession((view) => seen.push(view.state));
    // This process stops as under SIGSTOP: no timer, no callback, for longer than the session can live.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, sessionTimeoutMs * 2 + 1000);
    const startMs = performance.now();
    // The library still says "connected" here: what a dead primary would believe.
    const late = await store.write('/probe', 'from the past', read.ok ? read.version : 0);
    const answeredMs = performance.now() - startMs;
    expect(late).toMatchObject({ ok: false });
    await until(
      'a new session',
      10_000,
      () => store.session().state === 'connected' && store.session().generation > before.generation,
    );
    measured.push(
      `own process frozen for ${(sessionTimeoutMs * 2 + 1000) / 1000} s: the first write fails after ${Math.round(answeredMs)} ms; new session after ${Math.round(performance.now() - startMs)} ms`,
    );
    expect(seen).toContain('lost');
    expect(store.session().lastAckSentMs).toBeNull();
    await connected(other);
    expect(await other.read('/probe')).toMatchObject({ ok: true, text: 'before' });
    expect(await other.read('/expiring')).toMatchObject({ ok: false, code: 'no-node' });
    await Promise.all([store.close(500), other.close(500)]);
  });

  it('an answer lost after the write was sent: unclear, and reading back shows that it happened', async () => {
    const proxy = proxyBefore(address);
    const store = open([await proxy.listen()]);
    await connected(store);
    await put(store, '/probe', 'x');
    const read = await store.read('/probe');
    proxy.mode = 'lose-answers';
    const startMs = performance.now();
    const written = await store.write('/probe', 'landed', read.ok ? read.version : -1);
    const tookMs = performance.now() - startMs;
    expect(written).toMatchObject({ ok: false, code: 'unclear' });
    proxy.mode = 'pass';
    await connected(store);
    expect(await store.read('/probe')).toMatchObject({ ok: true, text: 'landed' });
    measured.push(`answer lost after a write: unclear after ${Math.round(tookMs)} ms; read back shows the write`);
    await store.close(500);
  });

  it('M4: an answer cut in half is not glued to the next connection: the same session goes on', async () => {
    const proxy = proxyBefore(address);
    const store = open([await proxy.listen()]);
    await connected(store);
    await put(store, '/probe', 'x');
    const before = store.session();
    for (let k = 0; k < 5; k += 1) {
      proxy.mode = 'cut-mid-answer';
      expect(await store.read('/probe')).toMatchObject({ ok: false, code: 'unclear' });
      await connected(store);
      expect(store.session()).toMatchObject({
        id: before.id,
        generation: before.generation,
        timeoutMs: sessionTimeoutMs,
      });
    }
    expect(await store.read('/probe')).toMatchObject({ ok: true, text: 'x' });
    await store.close(500);
  });

  it('M7: garbage instead of an answer ends the connection, not the process', async () => {
    const proxy = proxyBefore(address);
    const store = open([await proxy.listen()]);
    await connected(store);
    await put(store, '/probe', 'x');
    proxy.mode = 'garbage';
    expect(await store.read('/probe')).toMatchObject({ ok: false });
    proxy.mode = 'pass';
    await acked(store, 10_000);
    await store.close(500);
  });

  it('M2, M3: a first server that accepts and never answers is left for the second within the connect timeout', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const port = (silent.address() as { port: number }).port;
    const startMs = performance.now();
    const store = open([`127.0.0.1:${port}`, address]);
    await connected(store, 3000);
    const tookMs = performance.now() - startMs;
    measured.push(
      `first server silent at the start: connected to the second after ${Math.round(tookMs)} ms (connect timeout ${connectTimeoutMs} ms)`,
    );
    expect(tookMs).toBeLessThan(connectTimeoutMs * 4);
    await store.close(500);
    await new Promise((resolve) => silent.close(resolve));
  });

  it('a frozen server at the start: it keeps trying and connects after the thaw', async () => {
    await servers.freeze(0);
    const store = open([address]);
    await pause(1000);
    expect(store.session()).toMatchObject({ state: 'connecting', generation: 0 });
    expect(await store.read('/probe')).toMatchObject({ ok: false, code: 'not-connected' });
    await servers.thaw(0);
    await connected(store, 10_000);
    await store.close(500);
  });

  it('M9: closing while cut off ends at once, and nothing of the client comes back', async () => {
    const proxy = proxyBefore(address);
    const store = open([await proxy.listen()]);
    await connected(store);
    await store.create('/zombie', 'x', 'ephemeral');
    proxy.mode = 'blackhole';
    await suspended(store, readTimeoutMs * 2);
    const startMs = performance.now();
    await store.close(500);
    expect(performance.now() - startMs).toBeLessThan(100);
    const { accepted } = proxy;
    proxy.mode = 'pass';
    await pause(1500);
    expect(proxy.accepted - accepted).toBeLessThanOrEqual(1); // at most a connection that was already on its way
    const other = open([address]);
    await connected(other);
    await until('the ephemeral is gone', sessionTimeoutMs * 3, async () => !(await other.read('/zombie')).ok);
    await other.close(500);
  });

  it('M9: closing a healthy session removes its ephemerals at once', async () => {
    const store = open([address]);
    const other = open([address]);
    await Promise.all([connected(store), connected(other)]);
    await store.create('/leaving', 'x', 'ephemeral');
    await store.close(500);
    await until('the ephemeral is gone', 500, async () => !(await other.read('/leaving')).ok);
    await other.close(500);
  });

  it('another cluster key is refused, and says so', async () => {
    const store = open([address]);
    await connected(store);
    await put(store, '/probe', 'x');
    const stranger = open([address], 'nodekeeper:another-key');
    await connected(stranger);
    expect(await stranger.read('/probe')).toMatchObject({ ok: false, code: 'no-auth' });
    expect(await stranger.create('/mine-too', '', 'persistent')).toMatchObject({ ok: false, code: 'no-auth' });
    await Promise.all([store.close(500), stranger.close(500)]);
  });

  it('what is too large is refused before it is sent', async () => {
    const store = open([address]);
    await connected(store);
    expect(await store.create('/large', 'x'.repeat(600 * 1024), 'persistent')).toMatchObject({
      ok: false,
      code: 'too-large',
    });
    await store.close(500);
  });
});

describe('an ensemble of three', () => {
  let servers: ZooKeeperServers;
  beforeAll(async () => {
    servers = await ZooKeeperServers.start({ servers: 3 });
  });
  afterEach(() => servers.restore());
  afterAll(() => servers.stop());

  it('the leader killed: the session survives, writes are acknowledged again', async () => {
    const store = open(servers.addresses());
    await connected(store);
    await put(store, '/probe', 'x');
    const { id } = store.session();
    const leader = await servers.leader();
    const startMs = performance.now();
    servers.kill(leader);
    await pause(50);
    await acked(store, 15_000);
    measured.push(
      `ensemble leader killed: acknowledged writes after ${Math.round(performance.now() - startMs)} ms, same session`,
    );
    expect(store.session().id).toBe(id);
    servers.boot(leader);
    await servers.ready();
    await store.close(500);
  });

  it('the own server frozen: the next one is tried, in the same session', async () => {
    const proxies = servers.addresses().map((address) => proxyBefore(address));
    const store = open(await Promise.all(proxies.map((proxy) => proxy.listen())));
    await connected(store);
    await put(store, '/probe', 'x');
    const { id } = store.session();
    const own = proxies.findIndex((proxy) => proxy.inUse());
    const startMs = performance.now();
    await servers.freeze(own);
    await suspended(store, readTimeoutMs * 2);
    await acked(store, 10_000);
    measured.push(
      `own server frozen: acknowledged writes through another after ${Math.round(performance.now() - startMs)} ms, same session`,
    );
    expect(store.session().id).toBe(id);
    await servers.thaw(own);
    await servers.ready();
    await store.close(500);
  });
});

describe('a server that loses its data', () => {
  let servers: ZooKeeperServers;
  beforeAll(async () => {
    servers = await ZooKeeperServers.start();
  });
  afterEach(() => servers.restore());
  afterAll(() => servers.stop());

  it('M14: it refuses the old session without a word; a new one is made, and nothing of the old one is left', async () => {
    const store = open(servers.addresses());
    await connected(store);
    for (let at = 0; at < 20; at += 1) await put(store, '/probe', String(at)); // it has seen more than an empty server knows
    const { generation } = store.session();
    servers.kill(0);
    await suspended(store, 5000);
    servers.wipe(0);
    const startMs = performance.now();
    servers.boot(0);
    await until('a new session', 30_000, () => store.session().state === 'connected');
    expect(store.session()).toMatchObject({ generation: generation + 1, lastAckSentMs: null });
    measured.push(`all data lost: a new session after ${Math.round(performance.now() - startMs)} ms`);
    expect(await store.read('/probe')).toMatchObject({ ok: false, code: 'no-node' });
    expect(await store.create('/probe', 'x', 'persistent')).toMatchObject({ ok: true });
  });

  it('M14: a server that is away for longer than that and comes back with its data gets the old session back', async () => {
    const store = open(servers.addresses());
    await connected(store);
    await put(store, '/probe', 'x');
    const { id } = store.session();
    await servers.freeze(0);
    await pause(sessionTimeoutMs * 2.5);
    await servers.thaw(0);
    await until('the session goes on, or is expired', 20_000, () => store.session().state === 'connected');
    expect(store.session().id === id || store.session().generation === 2).toBe(true);
  });
});

describe('the library', () => {
  it('M13: only the version whose faults are known is used', () => {
    expect(checkLibrary()).toBeNull();
  });

  it('M1, M3: request numbers begin at 1 and the connect timeout is ours', () => {
    const client = library.createClient('localhost:1', { sessionTimeout: 9000 });
    expect(client.connectionManager.xid).toBe(0); // the library's own: the reason for the mend
    expect(client.connectionManager.connectTimeout).toBe(9000);
  });

  it('M8: an error code that the library does not know is an error, not a crash', () => {
    checkLibrary();
    const exception = createRequire(import.meta.url)('node-zookeeper-client/lib/Exception.js') as {
      create: (code: number) => Error & { code: number };
    };
    expect(exception.create(-124)).toMatchObject({ code: -124 });
    expect(exception.create(-101)).toMatchObject({ code: -101 });
  });
});
