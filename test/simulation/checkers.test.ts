/** A checker that never fails is no checker: each is shown a world in which its rule is broken. */
import { checkHealthyNeverFenced } from '../../src/sim/checkers/healthy-never-fenced.ts';
import { checkOffBeforeFenced } from '../../src/sim/checkers/off-before-fenced.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';

async function living(): Promise<World> {
  const world = new World({
    seed: 1,
    nodes: simCluster({ nodes: 3, set: { 'keepalive.interval': '1s', 'detection.savingThrows': 3 } }),
  });
  world.powerAll();
  await world.run(15_000);
  return world;
}

it('S3: an intent against a node that just beat is found', async () => {
  const world = await living();
  const unjust = checkHealthyNeverFenced(world);
  await world.run(3000);
  expect(unjust()).toEqual([]);
  world.ensemble.vandalise('/fencing/node2', JSON.stringify({ state: 'intent', requestId: null, fencer: 'node1' }));
  expect(unjust()).toEqual([expect.stringMatching(/node1 condemned node2 whose last keepalive is \d+ ms old/)]);
});

it('S4: a record that says fenced over a life that goes on is found', async () => {
  const world = await living();
  const early = checkOffBeforeFenced(world);
  world.ensemble.vandalise('/fencing/node2', JSON.stringify({ state: 'fenced' }));
  expect(early()).toEqual([expect.stringMatching(/node2 is called fenced, but its condemned life goes on/)]);
});

it('S3: an agent that shoots too early is caught', async () => {
  // The mutation: node1 gives one throw instead of three; node2 only stumbles for two seconds.
  const world = await living();
  const unjust = checkHealthyNeverFenced(world);
  const agent = world.agents.get('node1') as unknown as {
    settings: { config: { detection: { savingThrows: number } } };
  };
  const stumble = async () => {
    world.machine('node2').process?.freeze();
    await world.run(1900);
    world.machine('node2').process?.thaw();
    await world.run(10_000);
  };
  await stumble();
  expect(unjust()).toEqual([]);
  agent.settings.config.detection.savingThrows = 1;
  await stumble();
  // It wakes before the command is sent, and its fence is cancelled; it is condemned again for the rest of its pause.
  expect(unjust().length).toBeGreaterThan(0);
  for (const finding of unjust()) expect(finding).toMatch(/node1 condemned node2/);
});
