/**
 * A session that lives for months, on a real server: request numbers come to their end (M15), and watches are set on paths that
 * come and go (locks). Each life is run through here many times over what a year of it would be in a small cluster.
 */
import type { Store } from '../../../src/environment/store.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { Proxy } from '../../support/proxy.ts';
import { ZooKeeperServers, until } from '../../support/zookeeper.ts';

const lastNumber = 2 ** 31 - 2;
let servers: ZooKeeperServers;
const opened: Store[] = [];

async function open(address: string, firstXid = 1): Promise<Store> {
  const store = openZooKeeperStore({
    servers: [address],
    root: '/nodekeeper/long',
    keys: storeKeys('nodekeeper:long'),
    sessionTimeoutMs: 5000,
    connectTimeoutMs: 1000,
    requestTimeoutMs: 2000,
    firstXid,
  });
  opened.push(store);
  await until('connected', 10_000, () => store.session().state === 'connected');
  return store;
}

/** What the store holds in memory for its watches. */
const watchesOf = (store: Store): number => (store as unknown as { watches: Map<string, unknown> }).watches.size;
/** What the library holds for them. */
function libraryWatches(store: Store): number {
  const { link } = store as unknown as { link: { client: { heldWatches(): number } } };
  return link.client.heldWatches();
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start();
}, 60_000);
afterEach(() => Promise.all(opened.splice(0).map((store) => store.close(500))));
afterAll(() => servers.stop());

it.each([0, 1, 2, 3, 8])(
  'M15: %d requests before the last number, a session goes on: reads, writes, transactions, watches, ephemerals, pings',
  async (before) => {
    const store = await open(servers.addresses()[0] ?? '', lastNumber - before);
    const { id, generation } = store.session();
    const base = `/b${before}`;
    expect(await store.create(base, '', 'persistent')).toMatchObject({ ok: true });
    expect(await store.create(`${base}/held`, 'mine', 'ephemeral')).toMatchObject({ ok: true });
    let changes = 0;
    for (let round = 0; round < 20; round += 1) {
      const read = await store.read(base, () => (changes += 1));
      expect(read).toMatchObject({ ok: true, version: 2 * round });
      expect(await store.write(base, 'x', 2 * round)).toEqual({ ok: true, version: 2 * round + 1 });
      const change = { kind: 'write', path: base, text: 'y', version: 2 * round + 1 } as const;
      expect(await store.commit([change])).toMatchObject({ ok: true });
      expect(await store.list(base)).toMatchObject({ ok: true, names: ['held'] });
    }
    await until('every watch was set off', 2000, () => changes === 20);
    expect(store.session()).toMatchObject({ state: 'connected', id, generation });
    expect(await store.read(`${base}/held`)).toMatchObject({ ok: true, owner: id });
  },
  20_000,
);

it('M15: many requests in flight over the end of the numbers, each gets its own answer; then the connection breaks, and the session is kept', async () => {
  const proxy = new Proxy(servers.addresses()[0] ?? '');
  const store = await open(await proxy.listen(), lastNumber - 50);
  try {
    const { id } = store.session();
    await store.create('/many', '', 'persistent');
    const texts = Array.from({ length: 200 }, (_, index) => `text ${index}`);
    await Promise.all(texts.map((text, index) => store.create(`/many/${index}`, text, 'ephemeral')));
    const reads = await Promise.all(texts.map((_, index) => store.read(`/many/${index}`)));
    expect(reads.map((read) => (read.ok ? read.text : read.because))).toEqual(texts);
    let isChanged = false;
    expect(await store.read('/many/7', () => (isChanged = true))).toMatchObject({ ok: true });
    let isSuspended = false;
    store.onSession(({ state }) => (isSuspended ||= state === 'suspended'));
    proxy.cutAll();
    await until('suspended', 5000, () => isSuspended);
    await until('connected', 10_000, () => store.session().state === 'connected');
    expect(await store.write('/many/7', 'again', 0)).toMatchObject({ ok: true });
    await until('a watch from before was set off', 2000, () => isChanged);
    expect(store.session().id).toBe(id);
    expect(await store.read('/many/7')).toMatchObject({ ok: true, owner: id });
  } finally {
    await proxy.close();
  }
}, 30_000);

it('100,000 locks that came and went leave nothing behind, nor do those that were gone already, nor a session that was lost', async () => {
  const address = servers.addresses()[0] ?? '';
  const store = await open(address);
  let changes = 0;
  const onChange = () => (changes += 1);
  const lives = 100_000;
  const atOnce = 500;
  for (let first = 0; first < lives; first += atOnce) {
    const paths = Array.from({ length: atOnce }, (_, index) => `/lock-${first + index}`);
    const make = paths.map((path) => ({ kind: 'create', path, text: 'x', mode: 'ephemeral' }) as const);
    expect(await store.commit(make)).toMatchObject({ ok: true });
    // As a lock's waiter does: it watches the one in front of it.
    const reads = await Promise.all(paths.map((path) => store.read(path, onChange)));
    expect(reads.filter(({ ok }) => !ok)).toEqual([]);
    expect(await store.commit(paths.map((path) => ({ kind: 'remove', path, version: 0 })))).toMatchObject({ ok: true });
  }
  await until('every watch was set off', 5000, () => changes === lives);
  for (let index = 0; index < 1000; index += 1) {
    expect(await store.read(`/gone-${index}`, onChange)).toMatchObject({ code: 'no-node' });
    expect(await store.list(`/gone-${index}`, onChange)).toMatchObject({ code: 'no-node' });
  }
  expect({ held: watchesOf(store), inTheLibrary: libraryWatches(store) }).toEqual({ held: 0, inTheLibrary: 0 });
  await store.create('/stays', 'x', 'persistent');
  expect(await store.read('/stays', onChange)).toMatchObject({ ok: true });
  expect({ held: watchesOf(store), inTheLibrary: libraryWatches(store) }).toEqual({ held: 1, inTheLibrary: 1 });
  const { generation } = store.session();
  // This process stands still for longer than the session can live.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 7000);
  await until('a new session', 10_000, () => {
    const now = store.session();
    return now.state === 'connected' && now.generation > generation;
  });
  expect({ held: watchesOf(store), inTheLibrary: libraryWatches(store) }).toEqual({ held: 0, inTheLibrary: 0 });
}, 300_000);
