/** After a restore of ZooKeeper every command that shows the role says why no coordinator takes it, and what to do. */
import { createOutput } from '../../src/cli/output.ts';
import { primaryLine } from '../../src/cli/commands/status.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { wallEpochMs } from '../../src/sim/process.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';
import type { ClusterView } from '../../src/view/cluster-view.ts';
import { viewCluster } from '../../src/view/cluster-view.ts';
import { readerOf } from '../support/sim-reader.ts';

const set = { 'keepalive.interval': '1s', 'detection.savingThrows': 3, 'primary.resources': 'vip' };

async function seen(world: World): Promise<ClusterView> {
  const read = await viewCluster(readerOf(world), world.config('node1'), wallEpochMs + world.time.nowMs);
  if (!read.ok) throw new Error(read.because);
  return read.view;
}
const line = (view: ClusterView) => primaryLine(view, createOutput());

/** The copy names node1; node2 took the role after it, hangs, and has no BMC that answers. */
async function restored(): Promise<World> {
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 3, zookeepers: 3, set }), zookeepers: 3 });
  world.powerAll();
  await world.run(20_000);
  obey(world, 'store copy A');
  await world.run(5000);
  obey(world, 'transfer PRIMARY node2');
  await world.run(15_000);
  expect((await seen(world)).primary).toMatchObject({ holder: 'node2', state: 'primary', blocked: null });
  obey(world, 'bmc node2 down');
  obey(world, 'freeze node2');
  obey(world, 'store restore A');
  await world.run(20_000);
  return world;
}

it('S1: the role is blocked by a node that is not heard; what to do about that node is said', async () => {
  const world = await restored();
  const view = await seen(world);
  expect(view.primary.blocked).toBe(
    'ZooKeeper was restored from an old copy; node2 has not been heard since: start its noded, or, if it is off, nodectl fence confirm node2',
  );
  expect(line(view)).toMatch(/^primary: .*nobody takes the role.*: ZooKeeper was restored from an old copy; node2/);
  obey(world, 'bmc node2 ok');
  obey(world, 'fence node2'); // its silence ends nothing: it may have stopped cleanly before the restore
  await world.run(60_000);
  const after = await seen(world);
  expect(after.primary).toMatchObject({ state: 'primary', blocked: null });
  expect(line(after)).toMatch(/^primary: .*node\d.*, epoch 3/);
});
