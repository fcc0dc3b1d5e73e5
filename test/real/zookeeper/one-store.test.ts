/**
 * S12 on real servers: three standalone ones behind one list, a server that begins to stand alone on its own data, an ensemble whose
 * data are lost. The gate is the agent's; everything that it asks is real.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newBoard } from '../../../src/agent/context.ts';
import type { Context } from '../../../src/agent/context.ts';
import { storeGate } from '../../../src/agent/store-gate.ts';
import type { Store } from '../../../src/environment/store.ts';
import { realClock } from '../../../src/real/clock.ts';
import { fileJournal } from '../../../src/real/journal.ts';
import { realRandom } from '../../../src/real/random.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { ZooKeeperServers, pause, until } from '../../support/zookeeper.ts';

const disks = mkdtempSync(join(tmpdir(), 'nk-one-store-'));
let servers: ZooKeeperServers;
const opened: Store[] = [];

interface Node {
  readonly store: Store;
  readonly told: string[];
  readonly refused: ReadonlyMap<string, { readonly because: string }>;
}

/** A node's store with its gate; `first`: the server that it tries first. */
function node(name: string, first = 0): Node {
  const addresses = servers.addresses();
  const store = openZooKeeperStore({
    servers: [...addresses.slice(first), ...addresses.slice(0, first)],
    root: '/nodekeeper/c',
    keys: storeKeys('nodekeeper:c'),
    sessionTimeoutMs: 4000,
    connectTimeoutMs: 1000,
    requestTimeoutMs: 2000,
  });
  opened.push(store);
  const told: string[] = [];
  const board = newBoard('coordinator');
  const parts = {
    self: { name },
    board,
    history: { happened: (kind: string, because: string) => void told.push(`${kind}: ${because}`) },
    env: {
      clock: realClock(),
      random: realRandom(),
      journal: fileJournal(join(disks, name)),
      log: { warn: (message: string) => void told.push(message) },
    },
  };
  store.guard(storeGate(parts as unknown as Context, (because) => void told.push(`store-set-back: ${because}`)));
  return { store, told, refused: board.refusedServers };
}

const connected = ({ store }: Node, withinMs = 20_000) =>
  until('connected', withinMs, () => store.session().state === 'connected');
/** What is on its disk; nothing: it was not written yet. */
function remembered(name: string): { readonly id: string; readonly before: readonly string[] } {
  const file = join(disks, name, 'cluster-id.json');
  if (!existsSync(file)) return { id: '', before: [] };
  return JSON.parse(readFileSync(file, 'utf8')) as { id: string; before: string[] };
}
const lastOf = (address = '') => address.replace(/.*:/, ':');

afterEach(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close(500)));
  await servers.stop();
});
afterAll(() => rmSync(disks, { recursive: true, force: true }));

it('three standalone servers behind one list: no node uses any of them, each is refused by name', async () => {
  servers = await ZooKeeperServers.start({ servers: 3, apart: true });
  const nodes = [0, 1, 2].map((first) => node(`apart${first}`, first));
  await until('every server is refused by every node', 30_000, () => nodes.every(({ refused }) => refused.size === 3));
  await pause(3000);
  for (const { store, told, refused } of nodes) {
    expect(store.session()).toMatchObject({ generation: 0, id: null });
    expect(await store.read('/nodes')).toMatchObject({ ok: false, code: 'not-connected' });
    expect(await store.create('/nodes', '', 'persistent')).toMatchObject({ ok: false, code: 'not-connected' });
    for (const address of servers.addresses()) {
      const because = `${address} is a standalone server, and 3 servers are configured: its zoo.cfg needs server.1 to server.3`;
      expect(refused.get(address)?.because).toContain(because);
      expect(told.filter((sentence) => sentence.startsWith(`store-refused: ${because}`))).toHaveLength(1);
    }
  }
}, 90_000);

it('an ensemble is taken by three nodes with one id; a server that comes back standalone, on its own data, is refused, and taken again when it has been put right', async () => {
  servers = await ZooKeeperServers.start({ servers: 3 });
  const nodes = [0, 1, 2].map((first) => node(`whole${first}`, first));
  for (const one of nodes) await connected(one);
  await until('it is on the disks', 5000, () => nodes.every((_, first) => remembered(`whole${first}`).id !== ''));
  const { id } = remembered('whole0');
  expect([1, 2].map((first) => remembered(`whole${first}`).id)).toEqual([id, id]);
  expect(nodes.map(({ told }) => told)).toEqual([[], [], []]);

  await servers.end(0);
  servers.boot(0, true);
  const [first] = nodes;
  if (first === undefined) throw new Error('no node');
  await until('the server stands alone', 20_000, async () => (await servers.leader()) === 0);
  await connected(first);
  const late = node('late', 0); // knows no id, and tries that server first
  await connected(late);
  const alone = servers.addresses()[0] ?? '';
  expect(late.refused.get(alone)?.because).toMatch(/is a standalone server/);
  expect(late.told).toEqual([expect.stringContaining(`store-refused: ${alone} is a standalone server`)]);
  await until('it is on the disk', 5000, () => remembered('late').id === id);
  expect(await late.store.create('/written', 'x', 'persistent')).toMatchObject({ ok: true });

  await servers.end(0);
  servers.boot(0);
  await servers.ready();
  await until(`${lastOf(alone)} is taken again`, 30_000, () => late.refused.size === 0);
}, 120_000);

it('a foreign id: the server is passed over, and its data are not touched', async () => {
  servers = await ZooKeeperServers.start({ servers: 3 });
  const one = node('mover', 0);
  await connected(one);
  await until('it is on the disk', 5000, () => remembered('mover').id !== '');
  await one.store.close(500);
  const { id } = remembered('mover');
  await servers.stop();
  servers = await ZooKeeperServers.start({ servers: 1 });
  const other = node('other', 0);
  await connected(other);
  await until('it is on the disk', 5000, () => !['', id].includes(remembered('other').id));
  const mover = node('mover', 0);
  await until('it is refused', 20_000, () => mover.refused.size === 1);
  expect(mover.told).toEqual([
    `store-refused: ${servers.addresses()[0]} belongs to another store: its cluster id is ${remembered('other').id}, this node's is ${id}. mover does not use it`,
  ]);
  expect(mover.store.session()).toMatchObject({ generation: 0 });
  expect(remembered('mover').id).toBe(id);
}, 90_000);

it('an ensemble that lost all data: the nodes make one new id, which names the old one, and go on', async () => {
  servers = await ZooKeeperServers.start({ servers: 3 });
  const nodes = [0, 1, 2].map((first) => node(`lost${first}`, first));
  for (const one of nodes) await connected(one);
  await until('it is on the disks', 5000, () => [0, 1, 2].every((at) => remembered(`lost${at}`).id !== ''));
  const { id } = remembered('lost0');
  for (const index of [0, 1, 2]) await servers.end(index);
  for (const index of [0, 1, 2]) servers.wipe(index);
  for (const index of [0, 1, 2]) servers.boot(index);
  await servers.ready();
  await until('all use it', 60_000, () =>
    nodes.every(({ store, told }) => store.session().state === 'connected' && told.length > 0),
  );
  await until('it is on the disks', 5000, () => [0, 1, 2].every((at) => remembered(`lost${at}`).id !== id));
  const { id: next } = remembered('lost0');
  for (const at of [0, 1, 2]) {
    expect(remembered(`lost${at}`)).toMatchObject({ id: next, before: [id] });
    expect(nodes[at]?.told).toContain(
      `store-set-back: ZooKeeper was recreated, or restored from an old copy: cluster id ${next} takes the place of ${id}`,
    );
  }
}, 120_000);
