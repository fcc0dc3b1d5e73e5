import { World } from '../../src/sim/world.ts';
import { simCluster } from '../../src/sim/cluster.ts';

it('tells a story', async () => {
  const started = performance.now();
  const world = new World({
    seed: 1,
    nodes: simCluster({ nodes: 3, set: { 'keepalive.interval': '1s', 'detection.savingThrows': 3 } }),
  });
  world.powerAll();
  await world.run(20_000);
  world.machine('node2').powerOff();
  await world.run(40_000);
  console.log(world.trace.text(), performance.now() - started);
});
