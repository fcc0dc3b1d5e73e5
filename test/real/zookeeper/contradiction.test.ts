/**
 * STORE10 on servers that truly differ: one of them ran alone on its own data and wrote one record, the others another one, so that
 * all of them hold the same number of changes, and none takes over what the others have (as after ZOOKEEPER-4712).
 */
import type { Store } from '../../../src/environment/store.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { ZooKeeperServers, until } from '../../support/zookeeper.ts';

// Long ones: the order in which the servers are asked is what these tests rest on, and a server that a busy machine keeps from
// answering for a second would be passed over.
const timing = { sessionTimeoutMs: 60_000, connectTimeoutMs: 10_000, requestTimeoutMs: 10_000 };
const three = [0, 1, 2];
let servers: ZooKeeperServers;
const opened: Store[] = [];

/** A store that tries the servers in this order, and what it says of contradictions. */
async function open(order: readonly number[]): Promise<{ store: Store; told: string[] }> {
  const addresses = servers.addresses();
  const store = openZooKeeperStore({
    servers: order.map((index) => addresses[index] ?? ''),
    root: '/nodekeeper/c',
    keys: storeKeys('nodekeeper:c'),
    ...timing,
  });
  opened.push(store);
  const told: string[] = [];
  store.onContradiction((because) => told.push(because));
  await until('connected', 30_000, () => store.session().state === 'connected');
  return { store, told };
}

async function version(store: Store, path: string): Promise<number> {
  const read = await store.read(path);
  if (!read.ok) throw new Error(read.because);
  return read.version;
}

/** As the keepalive is written: by the version that stands there, again and again. Returns after how many tries. */
async function persist(store: Store, path: string): Promise<number> {
  for (let tries = 1; tries <= 20; tries += 1) {
    await until('connected', 30_000, () => store.session().state === 'connected');
    const read = await store.read(path);
    if (read.ok && (await store.write(path, `try ${tries}`, read.version)).ok) return tries;
  }
  throw new Error(`${path} could not be written`);
}

/** Stops everything, lets each server write alone, and starts them together again. */
async function part(odd: number): Promise<void> {
  for (const index of three) await servers.end(index);
  for (const index of three) {
    servers.boot(index, true);
    const { store } = await open([index]);
    const path = index === odd ? '/odd' : '/even';
    expect(await store.write(path, 'alone', 0)).toMatchObject({ ok: true });
    await servers.end(index);
    await store.close(0);
  }
  for (const index of three) servers.boot(index);
  await servers.ready();
}

beforeEach(async () => {
  servers = await ZooKeeperServers.start({ servers: 3 });
  const { store } = await open(three);
  for (const path of ['/odd', '/even', '/both']) await store.create(path, 'in the beginning', 'persistent');
  await store.close(1000);
}, 60_000);
afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close(0)));
  await servers.stop();
}, 30_000);

it('a follower that is wrong is left at the second refusal, within the session; the write that then succeeds mends it', async () => {
  await part(0);
  expect(await servers.leader()).not.toBe(0);
  const { store, told } = await open(three);
  const { id } = store.session();
  expect(await version(store, '/odd')).toBe(1); // and 0 at the others
  expect(await persist(store, '/odd')).toBe(3);
  expect(told).toEqual([
    `ZooKeeper contradicts itself: ${servers.addresses()[0]} shows version 1 of /odd, and what rests on that is refused; another server is asked from now on`,
  ]);
  expect(store.session().id).toBe(id);
  expect(await version((await open([0])).store, '/odd')).toBe(1); // the same as everywhere, for it was written since
  expect(await persist(store, '/odd')).toBe(1);
}, 60_000);

it('a leader that is wrong: every follower is left, until the leader itself is asked; a commit is refused because of one path', async () => {
  await part(2);
  expect(await servers.leader()).toBe(2);
  const { store, told } = await open(three);
  expect(await version(store, '/odd')).toBe(0); // and 1 at the leader, which decides
  const refused: string[] = [];
  for (let tries = 0; tries < 20; tries += 1) {
    await until('connected', 30_000, () => store.session().state === 'connected');
    const both = { kind: 'check', path: '/both', version: await version(store, '/both') } as const;
    const odd = { kind: 'write', path: '/odd', text: 'by commit', version: await version(store, '/odd') } as const;
    const done = await store.commit([both, odd]);
    if (done.ok) break;
    refused.push(done.because);
  }
  expect(refused).toEqual(Array(4).fill('/odd was changed by somebody else'));
  expect(told).toHaveLength(2);
  expect(await version(store, '/odd')).toBe(2);
}, 60_000);

it('nobody is left over a record that others write, remove and make anew all the time', async () => {
  const { store, told } = await open([0, 1, 2]);
  const { store: other } = await open([1, 2, 0]);
  for (let round = 0; round < 50; round += 1) {
    const seen = await version(store, '/both');
    if (round % 5 === 4) {
      await other.remove('/both', await version(other, '/both'));
      await other.create('/both', 'anew', 'persistent');
    } else await other.write('/both', 'other', await version(other, '/both'));
    await store.write('/both', 'mine', seen);
  }
  expect(told).toEqual([]);
  expect(store.session().state).toBe('connected');
}, 60_000);

it('to restart a server that is wrong mends nothing; to delete its copy does (docs/FAILURES.md)', async () => {
  await part(0);
  const seenAt = async (index: number) => version((await open([index])).store, '/odd');
  expect(await Promise.all(three.map(seenAt))).toEqual([1, 0, 0]);
  await servers.end(0);
  servers.boot(0);
  await servers.ready();
  expect(await seenAt(0)).toBe(1);
  await servers.end(0);
  servers.wipe(0);
  servers.boot(0);
  await servers.ready();
  expect(await seenAt(0)).toBe(0);
}, 60_000);
