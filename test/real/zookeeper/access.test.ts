/** S10: a tree that anybody may touch is noticed, on a real ZooKeeper, by the real client; our own tree is not complained about. */
import { digestId, foreignEntries } from '../../../src/real/zookeeper/access.ts';
import { library } from '../../../src/real/zookeeper/library.ts';
import { openSession } from '../../../src/real/zookeeper/session.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { ZooKeeperServers, pause, until } from '../../support/zookeeper.ts';

const digest = 'nodekeeper:0123456789';
const keys = storeKeys(digest);
const owners = { keys, subjects: ['CN=backup'] };

it('the rights of others are said in words; our own entry is none', () => {
  const own = { permission: 31, id: { scheme: 'digest', id: digestId(digest) } };
  const world = (permission: number) => ({ permission, id: { scheme: 'world', id: 'anyone' } });
  expect(foreignEntries([world(31)], owners)).toEqual(['world:anyone may read, write, create, delete, admin']);
  expect(foreignEntries([world(1), own], owners)).toEqual(['world:anyone may read']);
  expect(foreignEntries([own], { ...owners, keys: storeKeys('nodekeeper:another') })).toHaveLength(1);
  expect(foreignEntries([world(0)], owners)).toEqual([]);
  const subject = (id: string) => ({ permission: 31, id: { scheme: 'x509', id } });
  expect(foreignEntries([own, subject('CN=backup'), subject('CN=other')], owners)).toEqual([
    'x509:CN=other may read, write, create, delete, admin',
  ]);
});

it('a tree of our own is shut; one that another hand made is told with its path', async () => {
  const servers = await ZooKeeperServers.start();
  const timing = { sessionTimeoutMs: 4000, connectTimeoutMs: 500, requestTimeoutMs: 2000 };
  const options = { servers: servers.addresses(), keys, ...timing };
  const told: string[] = [];
  const open = () =>
    openZooKeeperStore({ ...options, root: '/nodekeeper/c', onForeignAccess: (because) => told.push(because) });
  const first = open();
  await until('connected', 10_000, () => first.session().state === 'connected');
  expect((await first.create('/nodes', '', 'persistent')).ok).toBe(true);
  await first.close(500);
  const second = open();
  await until('connected', 10_000, () => second.session().state === 'connected');
  await pause(500);
  expect(told).toEqual([]);
  expect(await second.exposure()).toEqual({ ok: true, where: null });
  await second.close(500);
  // A hand with zkCli, who has no key: it could have made the tree before us.
  const stranger = openSession({ ...options, keys: storeKeys('stranger:x') });
  await until('connected', 10_000, () => stranger.view().state === 'connected');
  const { ACL, Permission, Id, CreateMode } = library;
  const anybody = [new ACL(Permission.ALL, Id.ANYONE_ID_UNSAFE)];
  for (const path of ['/open', '/open/c', '/open/c/nodes'])
    await stranger.request<string>('write', (client, done) =>
      client.create(path, Buffer.from(''), anybody, CreateMode.PERSISTENT, done),
    );
  await stranger.close(500);
  const third = openZooKeeperStore({ ...options, root: '/open/c', onForeignAccess: (because) => told.push(because) });
  await until('it is told', 10_000, () => told.length === 2);
  expect(await third.exposure()).toEqual({
    ok: true,
    where: '/open/c: world:anyone may read, write, create, delete, admin',
  });
  expect([...told].sort()).toEqual([
    '/open/c/nodes: world:anyone may read, write, create, delete, admin',
    '/open/c: world:anyone may read, write, create, delete, admin',
  ]);
  await third.close(500);
  await servers.stop();
});
