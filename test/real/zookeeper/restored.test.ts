/**
 * What a real ZooKeeper does after its data was put back from an older copy, and what a noded makes of it (src/agent/witnessed-store.ts).
 * Measured on 3.8: in an ensemble the new leader counts from the epoch of the copy, so a client that saw no later leader comes back into
 * its old session, with the locks of the copy. A single server counts on from the copy, and refuses whoever has seen more.
 */
import { WitnessedStore } from '../../../src/agent/witnessed-store.ts';
import type { Store } from '../../../src/environment/store.ts';
import { realClock } from '../../../src/real/clock.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { ZooKeeperServers, until } from '../../support/zookeeper.ts';

const sessionTimeoutMs = 4000;
const keys = storeKeys('nodekeeper:secret');
const timeouts = { sessionTimeoutMs, connectTimeoutMs: 400, requestTimeoutMs: 1300 };

const connected = (store: Store) => until('connected', 30_000, () => store.session().state === 'connected');

async function opened(servers: ZooKeeperServers): Promise<Store> {
  const store = openZooKeeperStore({ servers: servers.addresses(), root: '/nodekeeper/test', ...timeouts, keys });
  await connected(store);
  return store;
}

/** A store with a lock that was held when the copy was taken, and was let go since; keepalives went on. */
async function storyOf(servers: ZooKeeperServers, found: string[]) {
  const real = await opened(servers);
  const store = new WitnessedStore({
    clock: realClock(),
    store: real,
    path: '/keepalive',
    self: 'node1',
    onSetBack: (because) => found.push(because),
  });
  await store.create('/keepalive', '1', 'persistent');
  await store.create('/locks', '', 'persistent');
  await store.create('/locks/held', '', 'ephemeral');
  const putBack = servers.copyData();
  await store.remove('/locks/held', 0);
  for (let version = 0; version < 20; version += 1) await store.write('/keepalive', String(version), version);
  return { real, store, putBack };
}

it('an ensemble: the client comes back into its session with the lock that it let go long ago; the session is ended', async () => {
  const servers = await ZooKeeperServers.start({ servers: 3 });
  const found: string[] = [];
  const { real, store, putBack } = await storyOf(servers, found);
  const before = { witnessed: real.session().id, generation: store.session().generation };
  const seen: (string | null)[] = [];
  real.onSession(({ state, id }) => state === 'connected' && seen.push(id));
  await putBack();
  await connected(store);
  await until('the lock is gone', 10_000, async () => {
    const read = await store.read('/locks/held');
    return !read.ok && read.code === 'no-node';
  });
  expect(seen[0]).toBe(before.witnessed); // the old session was taken again, though the tree is older
  expect(found).toEqual([expect.stringContaining('node1 got version 20 of it acknowledged: ZooKeeper was restored')]);
  expect(store.session().generation).toBe(before.generation + 1);
  const read = await store.read('/keepalive');
  expect(read).toMatchObject({ ok: true, version: 0 });
  await store.close(500);
  await servers.stop();
}, 120_000);

it('a single server refuses the session of who has seen more, until it is given up; a new one is noticed as such', async () => {
  const servers = await ZooKeeperServers.start();
  const found: string[] = [];
  const { store, putBack } = await storyOf(servers, found);
  const { generation } = store.session();
  await putBack();
  const tookMs = await connected(store);
  expect(found).toEqual([expect.stringContaining('ZooKeeper was restored from an old copy')]);
  expect(store.session().generation).toBe(generation + 1);
  expect(tookMs).toBeLessThan(sessionTimeoutMs * 1.5 + 6000);
  await store.close(500);
  await servers.stop();
}, 120_000);

it('servers that are only started again are the same store', async () => {
  const servers = await ZooKeeperServers.start();
  const found: string[] = [];
  const { store } = await storyOf(servers, found);
  const { generation } = store.session();
  await servers.end(0);
  servers.boot(0);
  await servers.ready();
  await connected(store);
  expect({ found, generation: store.session().generation }).toEqual({ found: [], generation });
  await store.close(500);
  await servers.stop();
}, 120_000);
