/**
 * S8 at scale: half of a large cluster falls silent at once, and every coordinator wants to know everything of all of them. The own
 * keepalive does not wait behind those reads. A request costs ten times what an idle ZooKeeper takes for it, so that few nodes do.
 */
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

const intervalMs = 1000;
const coordinators = 12;

it('24 of 48 nodes fall silent together: no coordinator is without an acknowledged keepalive for two intervals', async () => {
  const set = { 'keepalive.interval': '1s', 'fencing.verifyInterval': '1h' };
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 48, coordinators, set }) });
  world.powerAll();
  await world.run(60_000);
  for (const server of world.ensemble.servers) server.costMs = { request: 1, kib: 0.5 };
  await world.run(5000);
  for (let at = 25; at <= 48; at += 1) world.machine(`node${at}`).process?.freeze();
  let worstMs = 0;
  for (let at = 0; at < 12_000; at += 50) {
    await world.run(50);
    for (let of = 1; of <= coordinators; of += 1) {
      const beat = world.agents.get(`node${of}`)?.board.lastBeat;
      worstMs = Math.max(worstMs, world.machine(`node${of}`).process!.monotonicMs() - (beat?.sentMs ?? 0));
    }
  }
  if (process.env['NODEKEEPER_TEST_VERBOSE'] === '1')
    console.log(`without an acknowledged keepalive for at most ${Math.round(worstMs)} ms`);
  expect(worstMs).toBeLessThan(2 * intervalMs);
}, 600_000);
