/** A fence has the BMC for itself: no proof is begun beside it, and what was left out is made up for when it is over. */
import { FenceRecord } from '../../src/records/fence.ts';
import { tree } from '../../src/records/tree.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

const intervalMs = 1000;

it('no proof of a node begins while it is being fenced; afterwards every coordinator proves it anew', async () => {
  const set = { 'keepalive.interval': '1s', 'fencing.verifyInterval': '5s', 'fencing.levelDeadline': '20s' };
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 4, coordinators: 3, set }), bootMs: 10_000 });
  for (const name of world.machines.keys()) world.machine(name).powerOn();
  await world.run(25_000);
  const bmc = world.bmc('node4');
  bmc.slowMs = 4000;
  world.machine('node4').process?.freeze();
  const state = () => {
    const read = world.ensemble.read(tree.fence('node4'));
    return read.ok && read.value.text !== '' ? FenceRecord.parse(JSON.parse(read.value.text)).state : 'none';
  };
  const until = async (wanted: string) => {
    for (let waitedMs = 0; state() !== wanted && waitedMs < 60_000; waitedMs += 10) await world.run(10);
    expect(state()).toBe(wanted);
    return world.time.nowMs;
  };
  const intentMs = await until('intent');
  await world.run(intervalMs); // each coordinator hears of the fence with its next beat
  const begun = bmc.probes.length;
  const overMs = await until('finished');
  expect(overMs - intentMs).toBeGreaterThan(10_000); // two rounds of proofs would have been due
  expect(bmc.probes.slice(begun)).toEqual([]);
  await world.run(2 * intervalMs);
  const after = new Set(bmc.probes.slice(begun).map(({ by }) => by));
  expect([...after].sort()).toEqual(['node1', 'node2', 'node3']);
});
