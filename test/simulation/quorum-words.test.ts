/** What a noded says of a lost quorum: of nodes that were started again a moment before, and on a worker. */
import type { QuorumView } from '../../src/records/api.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';
import { settleIn } from '../support/virtual.ts';

const set = { 'keepalive.interval': '1s', 'detection.savingThrows': 3, 'fencing.quorumRecovery': 'power-on' };

async function quorumOf(world: World, name: string): Promise<QuorumView> {
  const endpoint = world.endpoints.get(name);
  if (endpoint === undefined) throw new Error(`no ${name}`);
  const answer = await settleIn(world.time)(endpoint.answer({ kind: 'quorum-view' }));
  if (answer.kind !== 'quorum-view') throw new Error(answer.kind);
  return answer.view;
}

it('a node that was started again half a minute before the quorum was lost has not stopped', async () => {
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 3, zookeepers: 3, set }), zookeepers: 3 });
  world.powerAll();
  await world.run(40_000);
  obey(world, 'stop node3');
  await world.run(70_000);
  obey(world, 'start node3');
  await world.run(12_000);
  for (const server of [1, 2]) obey(world, `zookeeper ${server} frozen`);
  obey(world, 'freeze node3');
  await world.run(40_000);
  const { others } = await quorumOf(world, 'node1');
  expect(others.find(({ name }) => name === 'node3')).toMatchObject({ answer: 'nothing', excused: null });
});

it('a worker says nothing of a setting that it does not carry out', async () => {
  const nodes = simCluster({ nodes: 4, coordinators: 3, zookeepers: 3, set });
  const world = new World({ seed: 1, nodes, zookeepers: 3 });
  world.powerAll();
  await world.run(20_000);
  for (const server of [1, 2]) obey(world, `zookeeper ${server} frozen`);
  await world.run(60_000);
  expect(world.trace.lines.filter(({ because }) => /quorumRecovery is off/.test(because))).toEqual([]);
  expect((await quorumOf(world, 'node4')).doing).toBe('the coordinators look for a quorum; a worker powers nothing on');
});
