/** Seven coordinators: a fence device is verified by the observers of its node and their stand-ins, whoever these are at the time. */
import { tree } from '../../src/records/tree.ts';
import { VerificationEntry, VerificationHead } from '../../src/records/verification.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { World } from '../../src/sim/world.ts';
import type { NodeView } from '../../src/view/cluster-view.ts';
import { viewCluster } from '../../src/view/cluster-view.ts';

const verifyMs = 20_000;
const set = {
  'keepalive.interval': '1s',
  'detection.savingThrows': 3,
  'fencing.verifyInterval': `${verifyMs / 1000}s`,
};
/** A round begins up to a tenth late. */
const roundMs = 1.1 * verifyMs + 2000;

const coordinators = ['node1', 'node2', 'node3', 'node4', 'node5', 'node6', 'node7'];
const worker = 'node9';

async function begun(more: Record<string, unknown> = {}): Promise<World> {
  const world = new World({ seed: 1, nodes: simCluster({ nodes: 10, coordinators: 7, set: { ...set, ...more } }) });
  world.powerAll();
  await world.run(30_000);
  return world;
}

/** Who began to verify this node's BMC from now on, within `forMs`. */
async function verifying(world: World, node: string, forMs: number): Promise<string[]> {
  const { probes } = world.bmc(node);
  const from = probes.length;
  await world.run(forMs);
  return [...new Set(probes.slice(from).map(({ by }) => by))].sort();
}

const isWritten = (world: World, by: string, node: string) => world.ensemble.read(tree.verified(by, node)).ok;
const recordsOf = (world: World, node: string) => coordinators.filter((by) => isWritten(world, by, node));

it('a worker is verified by the first four coordinators and itself; a monitor by everybody that observes it', async () => {
  const world = await begun();
  expect(recordsOf(world, worker)).toEqual(['node1', 'node2', 'node3', 'node4']);
  expect(await verifying(world, worker, roundMs)).toEqual(['node1', 'node2', 'node3', 'node4', worker]);
  expect(await verifying(world, 'node1', roundMs)).toEqual(coordinators);
  expect(await verifying(world, 'node6', roundMs)).toEqual(['node1', 'node2', 'node3', 'node4', 'node6']);
});

it('the stand-in has verified everybody before a monitor dies; who is to stand in next verifies everybody at once', async () => {
  const world = await begun();
  world.machine('node1').process?.freeze();
  world.bmc('node1').mode = 'stuck'; // it stays away
  const isDead = () => world.agents.get('node5')?.board.peers.get('node1')?.verdict === 'dead';
  for (let waitedMs = 0; !isDead() && waitedMs < 30_000; waitedMs += 10) await world.run(10);
  expect(isDead()).toBe(true);
  expect(recordsOf(world, worker)).toEqual(['node1', 'node2', 'node3', 'node4']);
  await world.run(3000);
  expect(recordsOf(world, worker)).toEqual(['node1', 'node2', 'node3', 'node4', 'node5']);
  expect(await verifying(world, worker, roundMs)).toEqual(['node2', 'node3', 'node4', 'node5', worker]);
});

it('two monitors die at once: their successor verifies everybody before it could declare anybody dead', async () => {
  const world = await begun();
  for (const name of ['node1', 'node2']) world.cutFromStore.add(name);
  const view = () => world.agents.get('node5')?.board.peers.get(worker);
  for (let waitedMs = 0; view() === undefined && waitedMs < 60_000; waitedMs += 10) await world.run(10);
  expect(view()?.verdict).toBe('alive'); // from now on node5 observes it
  await world.run(3 * 1000);
  expect(isWritten(world, 'node5', worker)).toBe(true);
});

it('when a monitor is back the records of who is no verifier any more go, and never are there too few', async () => {
  const world = await begun();
  world.machine('node1').powerOff();
  await world.run(5000);
  const seen: number[] = [];
  const present = () => recordsOf(world, worker).filter((name) => world.agents.get(name)?.board.daemonState === 'run');
  const isBack = () => world.agents.get('node1')?.board.daemonState === 'run';
  for (let waitedMs = 0; waitedMs < 90_000; waitedMs += 100) {
    await world.run(100);
    seen.push(present().length);
  }
  expect(isBack()).toBe(true);
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(3);
  expect(Math.max(...seen)).toBe(5); // node5 stood in
  expect(recordsOf(world, worker)).toEqual(['node1', 'node2', 'node3', 'node4']);
  expect([...(world.agents.get('node5')?.board.proofs.keys() ?? [])].sort()).toEqual([
    'node1',
    'node2',
    'node3',
    'node4',
    'node5',
  ]);
});

it('a record stays while fewer than two of those who verify the node now have written theirs', async () => {
  const world = await begun({ 'fencing.verifyInterval': '10m' });
  const text = (by: string) => {
    const read = world.ensemble.read(tree.verified(by, worker));
    return read.ok ? read.value.text : '';
  };
  const kept = text('node1');
  const remove = (path: string) => {
    const read = world.ensemble.read(path);
    if (read.ok) world.ensemble.remove(path, read.value.version);
  };
  const request = JSON.stringify({ schema: 1, kind: 'verify', node: worker, everywhere: true, by: 'operator' });
  const made = world.ensemble.create(world.operatorSession, '/requests/r-', request, 'ephemeral-sequential');
  await world.run(5000);
  expect(recordsOf(world, worker)).toEqual(coordinators);
  for (const by of ['node2', 'node3', 'node4']) remove(tree.verified(by, worker));
  remove(made.ok ? made.value : '');
  await world.run(20_000);
  expect(recordsOf(world, worker)).toEqual(['node1', 'node5', 'node6', 'node7']);
  world.ensemble.vandalise(tree.verified('node2', worker), kept);
  await world.run(20_000);
  expect(recordsOf(world, worker)).toEqual(['node1', 'node2']);
});

describe('nodectl status', () => {
  /** As read over the store of `by`. */
  async function shown(world: World, by: string, node: string): Promise<NodeView | undefined> {
    const store = world.stores.get(by);
    if (store === undefined) throw new Error(`${by} has no store`);
    const reading = viewCluster(store, world.config(by), world.machine(by).process?.wallMs() ?? 0);
    await world.run(200);
    const read = await reading;
    return read.ok ? read.view.nodes.find(({ name }) => name === node) : undefined;
  }

  it('who is dead or stopped fences nobody, whatever it once verified', async () => {
    const world = new World({ seed: 1, nodes: simCluster({ nodes: 4, coordinators: 3, set }) });
    world.powerAll();
    await world.run(30_000);
    expect(await shown(world, 'node1', 'node4')).toMatchObject({
      fencers: ['node1', 'node2', 'node3'],
      fenceability: 'ok',
    });
    world.stopNoded('node2');
    world.machine('node3').process?.freeze();
    world.bmc('node3').mode = 'stuck';
    await world.run(20_000);
    expect(isWritten(world, 'node2', 'node4') && isWritten(world, 'node3', 'node4')).toBe(true);
    expect(await shown(world, 'node1', 'node4')).toMatchObject({ fencers: ['node1'], fenceability: 'degraded' });
  });

  it('in every moment of a change of verifiers two can fence a worker', async () => {
    const world = await begun();
    world.machine('node1').process?.freeze();
    for (let second = 0; second < 60; second += 1) {
      const view = await shown(world, 'node7', worker);
      expect({ second, fenceability: view?.fenceability }).toEqual({ second, fenceability: 'ok' });
      await world.run(800);
    }
  });
});

describe('nodectl fence-check', () => {
  async function asked(world: World, everywhere: boolean): Promise<string[]> {
    const request = JSON.stringify({ schema: 1, kind: 'verify', node: worker, everywhere, by: 'operator' });
    const made = world.ensemble.create(world.operatorSession, '/requests/r-', request, 'ephemeral-sequential');
    const id = made.ok ? made.value.slice('/requests/'.length) : '';
    const head = (by: string) => {
      const read = world.ensemble.read(tree.verification(by));
      return read.ok ? VerificationHead.parse(JSON.parse(read.value.text)).answers : null;
    };
    const isAnswered = () => coordinators.every((by) => head(by) === id);
    for (let waitedMs = 0; !isAnswered() && waitedMs < 30_000; waitedMs += 10) await world.run(10);
    expect(isAnswered()).toBe(true);
    const answersOf = (by: string) => {
      const read = world.ensemble.read(tree.verified(by, worker));
      return read.ok ? VerificationEntry.parse(JSON.parse(read.value.text)).answers : undefined;
    };
    const by = coordinators.filter((name) => answersOf(name) === id);
    const read = world.ensemble.read(`/requests/${id}`);
    if (read.ok) world.ensemble.remove(`/requests/${id}`, read.value.version);
    return by;
  }

  it('is answered by all, and verified by those whose task it is', async () => {
    expect(await asked(await begun(), false)).toEqual(['node1', 'node2', 'node3', 'node4']);
  });

  it('--all: verified by everybody; what is no task of theirs is gone soon after', async () => {
    const world = await begun();
    expect(await asked(world, true)).toEqual(coordinators);
    await world.run(15_000);
    expect(recordsOf(world, worker)).toEqual(['node1', 'node2', 'node3', 'node4']);
  });
});
