/** Who can fence whom is verified again as soon as a device is distrusted or trusted again, and not more often than every 10 s. */
import { DeviceKnowledgeRecord } from '../../src/records/device-knowledge.ts';
import { printRecord } from '../../src/records/record.ts';
import { tree } from '../../src/records/tree.ts';
import { VerificationEntry } from '../../src/records/verification.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';

const coordinators = ['node1', 'node3'];

/** The verifier comes by itself only after an hour. */
async function cluster(): Promise<World> {
  const set = { 'keepalive.interval': '1s', 'fencing.verifyInterval': '1h' };
  const world = new World({ seed: 5, nodes: simCluster({ nodes: 3, set }), bootMs: 3000 });
  for (const machine of world.machines.values()) machine.powerOn();
  await world.run(20_000);
  return world;
}

function entry(world: World, by: string): VerificationEntry | null {
  const read = world.ensemble.read(tree.verified(by, 'node2'));
  return read.ok && read.value.text !== '' ? VerificationEntry.parse(JSON.parse(read.value.text)) : null;
}
const able = (world: World) => coordinators.map((by) => entry(world, by)?.canFence);

/** Somebody else finds something against node2's device, or takes it back. */
function tell(world: World, found: boolean, revision: number): void {
  const where = 'bmc-node2:623';
  const finding = { device: 'ipmi', where, kind: 'wrong-state', because: 'told', by: 'node9', commands: 0 } as const;
  const record = DeviceKnowledgeRecord.parse({
    schema: 1,
    revision,
    findings: found ? [{ ...finding, readsOnAgain: false, isCleared: false, sinceWallMs: revision }] : [],
    seenOn: [{ device: 'ipmi', where }],
    ended: Array.from({ length: 100 }, (_, n) => ['wrong-state', 'ipmi', where, 'node9', n].join('|')).slice(
      0,
      revision,
    ),
    cleared: null,
  });
  world.ensemble.vandalise(tree.devices('node2'), printRecord(record));
}

it('a finding of another coordinator, and its end, are in every row within two looks', async () => {
  const world = await cluster();
  expect(able(world)).toEqual([true, true]);
  tell(world, true, 100);
  await world.run(2500);
  expect(able(world)).toEqual([false, false]);
  expect(entry(world, 'node1')?.fault).toBe('wrong-state');
  await world.run(10_000);
  obey(world, 'clear node2');
  await world.run(2500);
  expect(able(world)).toEqual([true, true]);
});

it('a device whose trust changes every second is verified every 10 s at most', async () => {
  const world = await cluster();
  let written = 0;
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    if (path === tree.verified('node1', 'node2')) written += 1;
  };
  for (let revision = 1; revision <= 60; revision += 1) {
    tell(world, revision % 2 === 1, revision);
    await world.run(1000);
  }
  expect(written).toBeGreaterThanOrEqual(4);
  expect(written).toBeLessThanOrEqual(7);
});
