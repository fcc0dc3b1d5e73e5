/** A change of cluster keys on a real ZooKeeper: every step of docs/SECURITY.md, with sessions that live through all of it. */
import type { Store } from '../../../src/environment/store.ts';
import type { ClusterKey } from '../../../src/real/secrets.ts';
import { KeyRing } from '../../../src/real/secrets.ts';
import { moveOwnership, readOwnership } from '../../../src/real/zookeeper/ownership.ts';
import type { Session } from '../../../src/real/zookeeper/session.ts';
import { openSession } from '../../../src/real/zookeeper/session.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { keyRing } from '../../support/keys.ts';
import { Proxy } from '../../support/proxy.ts';
import { ZooKeeperServers, until } from '../../support/zookeeper.ts';

const root = '/deep/down/c';
const timing = { sessionTimeoutMs: 4000, connectTimeoutMs: 500, requestTimeoutMs: 2000 };
const old: ClusterKey = keyRing().first;
const fresh: ClusterKey = keyRing().first;
const opened: { close(deadlineMs: number): Promise<unknown> }[] = [];
let servers: ZooKeeperServers;

beforeAll(async () => {
  servers = await ZooKeeperServers.start();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close(500)));
});
afterAll(async () => {
  await servers.stop();
});

async function open(keys: KeyRing, at = servers.addresses()): Promise<Store> {
  const store = openZooKeeperStore({ servers: at, root, keys, ...timing });
  opened.push(store);
  await until('connected', 10_000, () => store.session().state === 'connected');
  return store;
}
async function sessionWith(keys: KeyRing): Promise<Session> {
  const session = openSession({ servers: servers.addresses(), keys, ...timing });
  opened.push(session);
  await until('connected', 10_000, () => session.view().state === 'connected');
  return session;
}
const owners = (keys: KeyRing) => ({ keys, subjects: [] });

it('the whole change: learn the new key, write with it, move what is there, forget the old one', async () => {
  const [a, b] = [new KeyRing([old]), new KeyRing([old])];
  const one = await open(a);
  const two = await open(b);
  await one.create('/nodes', '', 'persistent');
  for (let at = 0; at < 150; at += 1) await one.create(`/nodes/n${at}`, '', 'persistent');
  expect((await one.create('/nodes/n0/session', '', 'ephemeral')).ok).toBe(true);

  // Learn: both know the new key, none writes with it.
  for (const ring of [a, b]) ring.exchange([old, fresh]);
  expect((await two.create('/nodes/still-old', '', 'persistent')).ok).toBe(true);
  // Write: one by one; whoever has not turned yet reads what the others make.
  a.exchange([fresh, old]);
  expect((await one.create('/nodes/new', 'x', 'persistent')).ok).toBe(true);
  expect(await two.read('/nodes/new')).toMatchObject({ ok: true, text: 'x' });
  b.exchange([fresh, old]);

  const mover = await sessionWith(new KeyRing([fresh, old]));
  const before = await readOwnership(mover, root, owners(new KeyRing([fresh, old])));
  // 150 nodes, /nodes, one session, one made later, the root, and the two paths above it; and one that is new already.
  expect(before).toEqual({ paths: [1, 156], foreign: [] });
  expect(await moveOwnership(mover, root, owners(new KeyRing([fresh, old])))).toBe(156);
  expect(await moveOwnership(mover, root, owners(new KeyRing([fresh, old])))).toBe(0);
  expect(await readOwnership(mover, root, owners(new KeyRing([fresh, old])))).toEqual({ paths: [157, 0], foreign: [] });

  // Forget: nobody needs the old one, and whoever has it alone is shut out.
  for (const ring of [a, b]) ring.exchange([fresh]);
  const later = await open(new KeyRing([fresh]));
  expect(await later.read('/nodes/n149')).toMatchObject({ ok: true });
  expect((await later.create('/nodes/n149/child', '', 'persistent')).ok).toBe(true);
  const late = await open(new KeyRing([old]));
  expect(await late.read('/nodes/n149')).toMatchObject({ ok: false, code: 'no-auth' });
  expect(await one.read('/nodes/n0/session')).toMatchObject({ ok: true });
  expect(one.session()).toMatchObject({ state: 'connected', generation: 1 });
});

it('a connection that comes later proves the keys that are held by then, and only those', async () => {
  const proxy = new Proxy(servers.addresses()[0] ?? '');
  const other = keyRing().first;
  const ring = new KeyRing([fresh]);
  const store = await open(ring, [await proxy.listen()]);
  expect(await store.read('/nodes')).toMatchObject({ ok: true });
  ring.exchange([other]);
  expect(await store.read('/nodes')).toMatchObject({ ok: true }); // this connection has proved it
  const { accepted } = proxy;
  proxy.cutAll();
  await until('back', 5000, () => proxy.accepted > accepted && store.session().state === 'connected');
  expect(await store.read('/nodes')).toMatchObject({ ok: false, code: 'no-auth' });
  // And an exchange while it is away counts when it comes back.
  proxy.mode = 'blackhole';
  proxy.cutAll();
  await until('away', 5000, () => store.session().state !== 'connected');
  ring.exchange([other, fresh]);
  proxy.mode = 'pass';
  proxy.cutAll();
  await until('back again', 8000, () => store.session().state === 'connected');
  expect(await store.read('/nodes')).toMatchObject({ ok: true });
  await proxy.close();
});

it('what belongs to others is named and left alone; a root that is not there is nothing', async () => {
  const ring = new KeyRing([fresh, old]);
  const session = await sessionWith(ring);
  expect(await readOwnership(session, '/nowhere/c', owners(ring))).toEqual({ paths: [0, 0], foreign: [] });
  expect(await moveOwnership(session, '/nowhere/c', owners(ring))).toBe(0);
  const alone = new KeyRing([keyRing().first]);
  const found = await readOwnership(await sessionWith(alone), root, owners(alone));
  expect(found.paths).toEqual([0]);
  expect(found.foreign).toContain(root);
  expect(await moveOwnership(await sessionWith(alone), root, owners(alone))).toBe(0);
});
