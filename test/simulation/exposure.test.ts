/** S10: a tree that everybody may change is not joined; whoever is in it already is not fenced for that. */
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

const exposed = '/nodes: world:anyone may read, write';
const worldOf = () => new World({ seed: 5, nodes: simCluster({ nodes: 3, set: { 'keepalive.interval': '1s' } }) });
const states = (world: World) =>
  ['node1', 'node2', 'node3'].map((name) => {
    const read = world.ensemble.read(`/nodes/${name}/keepalive`);
    return read.ok ? (JSON.parse(read.value.text) as { state: string }).state : 'never seen';
  });

it('it waits outside, and comes in when the tree is shut', async () => {
  const world = worldOf();
  world.ensemble.exposure = exposed;
  world.powerAll();
  await world.run(30_000);
  expect(states(world)).toEqual(['never seen', 'never seen', 'never seen']);
  expect(world.trace.text()).toMatch(/waiting to join.*\(\/nodes: world:anyone may read, write\); shut it with setAcl/);
  world.ensemble.exposure = null;
  await world.run(10_000);
  expect(states(world)).toEqual(['run', 'run', 'run']);
});

it('S3: a tree that is opened while it runs costs nobody, nor does a crash in it; a new start waits', async () => {
  const world = worldOf();
  world.powerAll();
  await world.run(30_000);
  world.ensemble.exposure = exposed;
  world.machine('node2').killNoded();
  await world.run(60_000);
  expect(states(world)).toEqual(['run', 'run', 'run']);
  expect(world.trace.text()).not.toMatch(/held for dead/);
  world.stopNoded('node3');
  await world.run(30_000);
  world.machine('node3').startNoded();
  await world.run(60_000);
  expect(states(world)).toEqual(['run', 'run', 'stop']);
  expect(world.trace.text()).not.toMatch(/held for dead/);
});
