/** A ZooKeeper server that hangs is restarted by the noded of its machine: once, alone, and only when everybody agrees. */
import { ServerRestart } from '../../src/records/server-restart.ts';
import { tree } from '../../src/records/tree.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';

async function begun(servers = 3, set: Record<string, unknown> = {}): Promise<World> {
  const restart = { 'zookeeper.restartCommand': ['restart'], 'zookeeper.restartTimeout': '10s' };
  const nodes = simCluster({
    nodes: servers,
    zookeepers: servers,
    set: { 'keepalive.interval': '5s', ...restart, ...set },
  });
  const world = new World({ seed: 1, nodes, zookeepers: servers });
  world.powerAll();
  await world.run(30_000);
  return world;
}

const lines = (world: World, what: RegExp) =>
  world.trace.lines
    .filter(({ event, because }) => what.test(`${event} ${because}`))
    .map(({ atMs, node }) => ({ atMs, node }));
const begins = (world: World) => lines(world, /^restart begins/);
function record(world: World): ServerRestart | null {
  const read = world.ensemble.read(tree.serverRestart);
  return read.ok ? ServerRestart.parse(JSON.parse(read.value.text)) : null;
}
const minutes = (count: number) => count * 60_000;

it('after two minutes, once, by its own machine; the history says why and what came of it', async () => {
  const world = await begun();
  obey(world, 'zookeeper 2 frozen');
  const fromMs = world.time.nowMs;
  await world.run(minutes(2) - 1000);
  expect(begins(world)).toEqual([]);
  await world.run(minutes(2));
  const [only, ...more] = begins(world);
  expect(only?.node).toBe('node2');
  expect((only?.atMs ?? 0) - fromMs).toBeLessThan(150_000);
  expect(more).toEqual([]);
  expect(world.ensemble.servers[1]?.mode).toBe('up');
  expect(record(world)).toMatchObject({ server: 'zk2:2181', node: 'node2', state: 'over' });
  expect(
    lines(world, /zookeeper-restart zk2:2181 hangs: .*the other coordinators see the same \(node1, node3\)/),
  ).toHaveLength(1);
  expect(lines(world, /zookeeper-restart zookeeper.restartCommand for zk2:2181 succeeded/)).toHaveLength(1);
  expect(lines(world, /zookeeper-restart zk2:2181 serves again/)).toHaveLength(1);
});

it('ZR4: a second time only after an hour', async () => {
  const world = await begun();
  obey(world, 'zookeeper 2 frozen');
  await world.run(minutes(4));
  expect(begins(world)).toHaveLength(1);
  obey(world, 'zookeeper 2 frozen');
  await world.run(minutes(50));
  expect(begins(world)).toHaveLength(1);
  await world.run(minutes(15));
  expect(begins(world)).toHaveLength(2);
});

it.each(['start-fails', 'start-hangs'])(
  'ZR4: a command that does not help (%s) is not run again, also not by a new noded',
  async (mode) => {
    const world = await begun();
    world.resourceModes.set('node2 zookeeper-restart', mode as 'start-fails');
    obey(world, 'zookeeper 2 frozen');
    await world.run(minutes(5));
    expect(record(world)?.state).toBe('ran');
    obey(world, 'kill node2');
    await world.run(minutes(65));
    expect(begins(world)).toHaveLength(1);
    expect(lines(world, /zookeeper-restart .* failed after/)).toHaveLength(1);
    obey(world, 'zookeeper 2 up');
    await world.run(minutes(1));
    expect(record(world)?.state).toBe('over');
  },
);

it('ZR3: of two that hang at once the second waits until the first serves again', async () => {
  const world = await begun(5);
  world.resourceModes.set('node1 zookeeper-restart', 'start-hangs');
  world.resourceModes.set('node2 zookeeper-restart', 'start-hangs');
  for (const number of [1, 2]) obey(world, `zookeeper ${number} frozen`);
  await world.run(minutes(30));
  const [first, ...more] = begins(world);
  expect(more).toEqual([]);
  const other = first?.node === 'node1' ? 2 : 1;
  world.resourceModes.clear();
  obey(world, `zookeeper ${other === 1 ? 2 : 1} up`);
  await world.run(minutes(3));
  expect(begins(world).map(({ node }) => node)).toEqual([first?.node, `node${other}`]);
  expect(world.ensemble.servers.map(({ mode }) => mode)).toEqual(['up', 'up', 'up', 'up', 'up']);
});

it('ZR3: two commands never run at the same time', async () => {
  const world = await begun(5);
  for (const number of [1, 2]) obey(world, `zookeeper ${number} frozen`);
  await world.run(minutes(10));
  const running = world.trace.lines
    .filter(({ event }) => /^restart (begins|ends)$/.test(event))
    .map(({ event }) => event);
  expect(running).toEqual(['restart begins', 'restart ends', 'restart begins', 'restart ends']);
  expect(world.ensemble.servers.every(({ mode }) => mode === 'up')).toBe(true);
});

it.each<[string, readonly string[], Record<string, unknown>]>([
  ['ZR2: two of three hang', ['zookeeper 1 frozen', 'zookeeper 2 frozen'], {}],
  ['ZR2: another one is away', ['zookeeper 3 killed', 'zookeeper 2 frozen'], {}],
  ['ZR1: it refuses connections', ['zookeeper 2 killed'], {}],
  [
    'ZR1: another coordinator that answers does not see it',
    ['zookeeper 2 frozen', 'cut node3'],
    { 'fencing.enabled': false },
  ],
  ['ZR1: no other coordinator answers', ['zookeeper 2 frozen', 'cut node2 --peers'], {}],
  ['maintenance', ['maintenance cluster upgrade', 'zookeeper 2 frozen'], {}],
  ['maintenance of the node', ['maintenance node2 upgrade', 'zookeeper 2 frozen'], {}],
  ['no command', ['zookeeper 2 frozen'], { 'zookeeper.restartCommand': undefined }],
])('%s: nothing is restarted', async (_, story, set) => {
  const world = await begun(3, set);
  for (const line of story) obey(world, line);
  await world.run(minutes(10));
  expect(begins(world)).toEqual([]);
});

it('a record that cannot be read: nothing is restarted, and the history names it', async () => {
  const world = await begun();
  world.ensemble.vandalise(tree.serverRestart, '{');
  obey(world, 'zookeeper 2 frozen');
  await world.run(minutes(5));
  expect(begins(world)).toEqual([]);
  expect(lines(world, /record-unreadable \/zookeeper-restart cannot be read/)).toHaveLength(1);
});

it('ZR1: one that hangs for less than that, again and again, is left alone', async () => {
  const world = await begun();
  for (let round = 0; round < 5; round += 1) {
    obey(world, 'zookeeper 2 frozen');
    await world.run(110_000);
    obey(world, 'zookeeper 2 up');
    await world.run(15_000);
  }
  expect(begins(world)).toEqual([]);
});

it.each([1000, 60_000])(
  'S6: a noded that was paused for %i ms after it took its turn leaves a server alone that serves by then',
  async (pausedMs) => {
    const world = await begun();
    obey(world, 'zookeeper 2 frozen');
    for (let waitedMs = 0; record(world) === null && waitedMs < 180_000; waitedMs += 1) await world.run(1);
    expect(record(world)?.state).toBe('running');
    world.machine('node2').process?.freeze();
    obey(world, 'zookeeper 2 up');
    await world.run(pausedMs);
    world.machine('node2').process?.thaw();
    await world.run(minutes(1));
    expect(begins(world)).toEqual([]);
    expect(record(world)).toMatchObject({ state: 'over', restartedWallMs: {} });
  },
);
