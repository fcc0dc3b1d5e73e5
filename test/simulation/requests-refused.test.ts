/** What becomes of an operator's request that one coordinator refuses: final for all, or left to the others (agent/fencing/refusals.ts). */
import { printRecord } from '../../src/records/record.ts';
import { FenceRecord } from '../../src/records/fence.ts';
import type { OperatorRequest } from '../../src/records/request.ts';
import { OperatorRequest as Schema } from '../../src/records/request.ts';
import { tree } from '../../src/records/tree.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';

const set = { 'keepalive.interval': '1s', 'detection.savingThrows': 3, 'fencing.levelDeadline': '10s' };

async function cluster(seed: number, nodes = 3): Promise<World> {
  const world = new World({ seed, nodes: simCluster({ nodes, set }), bootMs: 3000 });
  for (const machine of world.machines.values()) machine.powerOn();
  await world.run(20_000);
  return world;
}

const confirmOf = (node: string): OperatorRequest => ({
  schema: 1,
  kind: 'confirm',
  node,
  by: 'operator',
  reason: 'it is off',
  despiteReading: false,
  incarnation: null,
  refusal: null,
});

const fenceOf = (node: string): OperatorRequest => ({
  schema: 1,
  kind: 'fence',
  node,
  action: 'reboot',
  by: 'operator',
  reason: 'test',
  deviceIsRight: false,
  refusal: null,
});

function ask(world: World, request: OperatorRequest): string {
  const made = world.ensemble.create(
    world.operatorSession,
    `${tree.requests}/r-`,
    printRecord(request),
    'ephemeral-sequential',
  );
  if (!made.ok) throw new Error('the request could not be put');
  return made.value;
}
const requestAt = (world: World, path: string) => {
  const read = world.ensemble.read(path);
  return read.ok ? Schema.parse(JSON.parse(read.value.text)) : null;
};
const fence = (world: World, node: string) => {
  const read = world.ensemble.read(tree.fence(node));
  return read.ok && read.value.text !== '' ? FenceRecord.parse(JSON.parse(read.value.text)) : null;
};
const said = (world: World, what: string) =>
  world.trace.lines.filter(({ event, because }) => `${event} ${because}`.includes(what));

it('a confirmation that one coordinator refuses is answered once, and is taken by no other afterwards', async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const world = await cluster(seed);
    const path = ask(world, confirmOf('node2'));
    await world.run(10_000);
    expect({ seed, told: said(world, 'request-refused').length }).toEqual({ seed, told: 1 });
    expect(requestAt(world, path)).toMatchObject({ refusal: { guard: 'alive' } });
  }
});

it('S6: a confirmation that is withdrawn while it is looked at confirms nothing, also when a fence of it waits', async () => {
  const world = await cluster(1, 4);
  obey(world, 'freeze node2');
  obey(world, 'bmc node2 down');
  for (let waitedMs = 0; fence(world, 'node2')?.state !== 'intent' && waitedMs < 30_000; waitedMs += 1)
    await world.run(1);
  const fencer = fence(world, 'node2')?.fencer ?? '';
  // Its fencer is gone, and with two more nodes silent the storm guard holds the fence: between two attempts.
  const [silent = ''] = [...world.machines.keys()].filter((name) => name !== 'node2' && name !== fencer);
  obey(world, `power ${fencer} off`);
  obey(world, `freeze ${silent}`);
  await world.run(30_000);
  const path = ask(world, confirmOf('node2'));
  await world.run(1000);
  const read = world.ensemble.read(path);
  expect({ read: read.ok, state: fence(world, 'node2')?.state }).toEqual({ read: true, state: 'failed' });
  if (read.ok) world.ensemble.remove(path, read.value.version);
  await world.run(5000);
  expect(said(world, 'confirmed by hand')).toEqual([]);
  expect(fence(world, 'node2')?.state).toBe('failed');
});

it('what concerns the refusing coordinator alone is left to the others, and the request is carried out', async () => {
  let left = 0;
  for (let seed = 1; seed <= 8; seed += 1) {
    const world = await cluster(seed);
    const board = world.agents.get('node1')?.board;
    if (board === undefined) throw new Error('node1 runs');
    // node1 was paused, and goes on being late.
    Object.defineProperty(board, 'lateMs', { get: () => 60_000, set: () => undefined });
    const path = ask(world, fenceOf('node2'));
    await world.run(1000);
    expect(requestAt(world, path)).toMatchObject({ refusal: null });
    expect(fence(world, 'node2')).toMatchObject({ askedBy: 'operator', fencer: 'node3' });
    left += said(world, 'node1 leaves the request to the other coordinators').length;
  }
  expect(left).toBeGreaterThan(0); // where node3 was not faster
  expect(left).toBeLessThanOrEqual(8);
});

it('of two confirmations of one node at the same time one is carried out, and the other is told so', async () => {
  for (let seed = 1; seed <= 5; seed += 1) {
    const world = await cluster(seed);
    obey(world, 'bmc node2 down');
    obey(world, 'power node2 off');
    await world.run(3000);
    const paths = [ask(world, confirmOf('node2')), ask(world, confirmOf('node2'))];
    await world.run(40_000);
    const refusals = paths.flatMap((path) => {
      const request = requestAt(world, path);
      return request?.kind === 'confirm' && request.refusal !== null ? [request.refusal] : [];
    });
    expect({ seed, recorded: said(world, 'node2 is off: operator has confirmed').length }).toEqual({
      seed,
      recorded: 1,
    });
    expect(refusals).toMatchObject([
      { guard: 'already-fenced', because: 'operator has confirmed it before: node2 is recorded as off' },
    ]);
  }
});
