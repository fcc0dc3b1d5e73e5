/** What `nodectl explain` says of the guards is what the fencing decides at that moment: one storm guard, one count. */
import { outlookOf } from '../../src/cli/commands/fence/outlook.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { wallEpochMs } from '../../src/sim/process.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';
import type { ClusterView } from '../../src/view/cluster-view.ts';
import { viewCluster } from '../../src/view/cluster-view.ts';
import { readerOf } from '../support/sim-reader.ts';

const set = { 'keepalive.interval': '1s', 'detection.savingThrows': 3 };

async function clusterOf(nodes: number, more: Record<string, unknown> = {}): Promise<World> {
  const world = new World({ seed: 1, nodes: simCluster({ nodes, set: { ...set, ...more } }) });
  world.powerAll();
  await world.run(20_000);
  return world;
}

async function seen(world: World): Promise<ClusterView> {
  const read = await viewCluster(readerOf(world), world.config('node1'), wallEpochMs + world.time.nowMs);
  if (!read.ok) throw new Error(read.because);
  return read.view;
}

const nodeOf = (view: ClusterView, name: string) => {
  const node = view.nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`no ${name}`);
  return node;
};

async function stormOf(world: World, name: string): Promise<string | null> {
  const view = await seen(world);
  const { guards } = await outlookOf(readerOf(world), world.config('node1'), view, nodeOf(view, name));
  return guards.find(({ guard }) => guard === 'storm')?.because ?? null;
}

it('a node that is fenced and stays off is not silent together with the next one', async () => {
  const world = await clusterOf(4, { 'fencing.earlyEvidence': false });
  obey(world, 'fence node4 off');
  await world.run(20_000);
  expect(nodeOf(await seen(world), 'node4').state).toBe('fenced');
  expect(Object.values(nodeOf(await seen(world), 'node4').views)).toContainEqual(
    expect.objectContaining({ verdict: 'dead', isOff: true }),
  );
  expect(await stormOf(world, 'node3')).toBeNull();
});

it('one throw of a node that lives does not make two of a dead one', async () => {
  const world = await clusterOf(4);
  obey(world, 'bmc node3 down');
  obey(world, 'freeze node3');
  await world.run(5_000);
  expect(nodeOf(await seen(world), 'node3').throws).toBeGreaterThan(2);
  obey(world, 'freeze node4');
  let isOnce = false;
  for (let times = 0; times < 40 && !isOnce; times += 1) {
    await world.run(50);
    isOnce = nodeOf(await seen(world), 'node4').throws === 1;
  }
  expect(isOnce).toBe(true);
  expect(await stormOf(world, 'node3')).toBeNull();
});

it('while two nodes of four are silent, explain and the fencing both hold', async () => {
  const world = await clusterOf(4);
  for (const name of ['node3', 'node4']) {
    obey(world, `bmc ${name} down`);
    obey(world, `freeze ${name}`);
  }
  await world.run(6_000);
  const { held } = Object.values(nodeOf(await seen(world), 'node3').views).find((view) => view.held !== null) ?? {};
  const storm = await stormOf(world, 'node3');
  expect(storm).toMatch(/^2 of 4 nodes are silent together \(node3, node4\)/);
  expect(held).toContain(storm);
});

it.each([
  ['that somebody declared does not count', 'maintenance node4 it runs a memory test', null],
  [
    'that cannot be read counts',
    'vandalise /maintenance/node4 garbage',
    '2 of 4 nodes are silent together (node3, node4)',
  ],
])('a silent node in a maintenance %s, to explain and to the fencing', async (_what, declare, counted) => {
  const world = await clusterOf(4);
  obey(world, declare);
  for (const name of ['node3', 'node4']) {
    obey(world, `bmc ${name} down`);
    obey(world, `freeze ${name}`);
  }
  await world.run(6_000);
  const { views, fence } = nodeOf(await seen(world), 'node3');
  const held = Object.values(views).find((view) => view.held !== null)?.held ?? null;
  const storm = await stormOf(world, 'node3');
  expect(fence?.state).toBe(counted === null ? 'intent' : 'none');
  if (counted === null) expect([held, storm]).toEqual([null, null]);
  else expect([held, storm]).toEqual([expect.stringContaining(counted), expect.stringContaining(counted)]);
});

it('a coordinator that is shutting down observes nobody: what it saw last is not shown', async () => {
  const world = await clusterOf(4);
  obey(world, 'bmc node4 down');
  obey(world, 'freeze node4');
  await world.run(5_000);
  expect(Object.keys(nodeOf(await seen(world), 'node4').views)).toContain('node1');
  const read = world.ensemble.read('/nodes/node1/keepalive');
  const record = JSON.parse(read.ok ? read.value.text : '') as Record<string, unknown>;
  world.ensemble.vandalise('/nodes/node1/keepalive', JSON.stringify({ ...record, state: 'shutdown' }));
  expect(Object.keys(nodeOf(await seen(world), 'node4').views)).not.toContain('node1');
});

it('a verdict on an earlier incarnation is not shown of the one that publishes now', async () => {
  const world = await clusterOf(3);
  obey(world, 'freeze node3');
  let told: ClusterView | null = null;
  for (let times = 0; times < 600 && told === null; times += 1) {
    await world.run(50);
    const view = await seen(world);
    const incarnation = nodeOf(view, 'node3').incarnation;
    const before = view.nodes.some(({ name }) => name !== 'node3' && isBehind(world, name, incarnation));
    if (before) told = view;
  }
  expect(told).not.toBeNull();
  if (told !== null) expect(nodeOf(told, 'node3')).toMatchObject({ throws: 0 });
  if (told !== null)
    expect(Object.values(nodeOf(told, 'node3').views).map(({ verdict }) => verdict)).not.toContain('dead');
});

/** Its published verdict `dead` is about another incarnation of node3 than the one that publishes. */
function isBehind(world: World, by: string, incarnation: string | null): boolean {
  const read = world.ensemble.read(`/nodes/${by}/keepalive`);
  const { peers } = JSON.parse(read.ok ? read.value.text : '{"peers":{}}') as {
    peers: Record<string, { verdict: string; incarnation: string | null } | undefined>;
  };
  const view = peers['node3'];
  return view?.verdict === 'dead' && view.incarnation !== incarnation;
}
