/** The primary role under the production agents: contention, transfers, deposition (S1, S9). Each seed is replayable. */
import { simCluster } from '../../src/sim/cluster.ts';
import { checkOnePrimary } from '../../src/sim/checkers/one-primary.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { obey } from '../../src/sim/scenario.ts';
import { World } from '../../src/sim/world.ts';
import type { ClusterView } from '../../src/view/cluster-view.ts';
import { settleIn } from '../support/virtual.ts';

const fast = { 'keepalive.interval': '1s', 'detection.savingThrows': 3, 'primary.resources': 'vip db' };
const world = (seed: number, nodes: number, set = {}) =>
  new World({ seed, nodes: simCluster({ nodes, set: { ...fast, ...set } }), bootMs: 3000 });

interface Role {
  readonly holder: string | null;
  readonly state: string;
  readonly epoch: number;
}
function roleOf(under: World): Role {
  const read = under.ensemble.read('/primary');
  return read.ok && read.value.text !== ''
    ? (JSON.parse(read.value.text) as Role)
    : { holder: null, state: 'none', epoch: 0 };
}
const runningOn = (under: World) =>
  [...under.machines.values()].filter((machine) => machine.running.size === 2).map((machine) => machine.name);

/** The role as it is, and proof that it stays so for 10 s. */
async function settled(under: World): Promise<Role> {
  const role = roleOf(under);
  if (role.state !== 'primary' || runningOn(under)[0] !== role.holder)
    throw new Error(
      `not settled: ${JSON.stringify(role)}, resources on ${runningOn(under).join(' ')}\n${under.trace.text()}`,
    );
  expect(runningOn(under)).toEqual([role.holder]);
  await under.run(10_000);
  expect(roleOf(under)).toEqual(role);
  return role;
}

it('30 takeovers that operators ask for: at most 21 records stay, and no watch stays on one that is over', async () => {
  const under = world(7, 3);
  under.powerAll();
  await under.run(10_000);
  for (let count = 0; count < 30; count += 1) {
    const { holder } = roleOf(under);
    const target = [...under.machines.keys()].find((name) => name !== holder) ?? '';
    obey(under, `transfer ${holder ?? ''} ${target}`);
    await under.run(4000);
    expect(roleOf(under).holder).toBe(target);
  }
  const listed = under.ensemble.list('/transfers');
  expect(listed.ok ? listed.value.length : NaN).toBeLessThanOrEqual(21);
  expect(under.ensemble.watchesBelow('/transfers/')).toBe(0);
});

it('S1: every coordinator is asked to take over at the same moment, 200 times: one gets it, nobody flaps', async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = new SeededRandom(seed);
    const under = world(seed, 3 + (seed % 3));
    const twice = checkOnePrimary(under);
    under.powerAll();
    await under.run(10_000);
    const before = roleOf(under);
    expect(before.state).toBe('primary');
    for (const name of under.machines.keys()) {
      await under.run(random.between(0, seed % 2 === 0 ? 0 : 30));
      obey(under, `transfer ${before.holder ?? ''} ${name}`);
    }
    await under.run(3000);
    const after = await settled(under);
    expect({ seed, epochs: after.epoch - before.epoch, twice: twice() }).toEqual({ seed, epochs: 1, twice: [] });
    expect(after.holder).not.toBe(before.holder);
  }
});

it('S1, R18: all contend at once, with pauses, lost answers and a store that comes and goes: one wins each epoch', async () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = new SeededRandom(seed * 31);
    const under = world(seed, 5, { 'primary.contentionStep': '0ms' });
    const twice = checkOnePrimary(under);
    under.powerAll();
    await under.run(random.between(3050, 3800));
    for (let fault = 0; fault < 6; fault += 1) {
      const node = `node${1 + Math.floor(random.fraction() * 5)}`;
      const what = random.fraction();
      if (what < 0.3) obey(under, `cut ${node} --store`);
      else if (what < 0.6) under.machine(node).process?.freeze();
      else if (what < 0.7) obey(under, 'store down');
      await under.run(random.between(1, 120));
      obey(under, 'store up');
      obey(under, 'heal');
      if (under.machine(node).process?.frozen === true) under.machine(node).process?.thaw();
    }
    await under.run(15_000);
    await settled(under);
    expect({ seed, twice: twice() }).toEqual({ seed, twice: [] });
  }
});

describe('a node dies, freezes or is cut off at each step of a transfer: one working primary at the end', () => {
  const steps: readonly [string, RegExp][] = [
    ['asked to prepare', /asked => preparing/],
    ['prepared', /preparing => prepared/],
    ['the holder begins to stop', /primary => relinquish/],
    ['a resource is stopped', /^db is stopped/],
    ['everything is stopped', /relinquish => secondary/],
    ['handed over', /secondary => takeover/],
    ['a resource runs', /^vip runs/],
    ['taken over', /takeover => primary/],
  ];
  const cases = steps.flatMap(([what, pattern]) =>
    ['power', 'freeze', 'kill', 'cut --all', 'store'].flatMap((how) =>
      ['node1', 'node2'].map((who) => ({ what, pattern, how, who })),
    ),
  );
  it.each(cases)('$what: $how $who', async ({ pattern, how, who }) => {
    const under = world(7, 4);
    const twice = checkOnePrimary(under);
    under.powerAll();
    await under.run(10_000);
    expect(roleOf(under).holder).toBe('node1');
    let done = false as boolean;
    under.trace.onLine = (line) => {
      if (
        done ||
        under.time.nowMs < 10_000 ||
        !pattern.test(line.because === '' ? line.event : `${line.event} ${line.because}`)
      )
        return;
      done = true;
      const strike =
        how === 'power'
          ? `power ${who} off`
          : how === 'store'
            ? 'store down'
            : how === 'cut --all'
              ? `cut ${who} --all`
              : `${how} ${who}`;
      under.time.after(0, () => obey(under, strike));
    };
    obey(under, 'transfer node1 node2');
    await under.run(6000);
    expect(done).toBe(true);
    under.trace.onLine = () => undefined;
    obey(under, 'store up');
    await under.run(40_000);
    obey(under, 'heal');
    for (const machine of under.machines.values()) {
      if (machine.process?.frozen === true) machine.process.thaw();
      machine.powerOn();
    }
    await under.run(30_000);
    await settled(under);
    expect(twice()).toEqual([]);
    const transfer = under.ensemble.read('/transfers/t-0000000000');
    expect(transfer.ok && (JSON.parse(transfer.value.text) as { state: string }).state).toMatch(/^(done|failed)$/);
  });
});

it('S9: a primary that is cut off has stopped everything within its lease and its stop bound', async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const under = world(seed, 3, { 'fencing.enabled': false }); // what is on then has stopped by itself
    under.powerAll();
    await under.run(10_000 + seed * 37);
    const holder = roleOf(under).holder ?? '';
    const { leaseMs, stopBoundMs } = under.config(holder).timing;
    obey(under, `cut ${holder} --store`);
    await under.run(leaseMs + stopBoundMs);
    expect([...under.machine(holder).running]).toEqual([]);
    expect(under.machine(holder).power).toBe('on');
  }
});

it('S9: a primary that cannot stop what it must stop resets its machine', async () => {
  const under = world(3, 3);
  const twice = checkOnePrimary(under);
  under.powerAll();
  await under.run(10_000);
  obey(under, 'resource node1 vip stop-fails');
  obey(under, 'cut node1 --all');
  await under.run(2500);
  expect(under.trace.of('machine reset').length).toBe(1);
  expect(under.machine('node1').running.size).toBe(0);
  await under.run(30_000);
  expect(twice()).toEqual([]);
});

it('a second SIGTERM is in a hurry: nobody waits for a successor, but everything is stopped and the role is free', async () => {
  const under = world(5, 3, { 'primary.prepareTimeout': '30s', 'fencing.enabled': false });
  const twice = checkOnePrimary(under);
  under.powerAll();
  await under.run(10_000);
  for (const node of ['node2', 'node3']) obey(under, `freeze ${node}`); // nobody will prepare
  under.stopNoded('node1');
  await under.run(2000);
  expect(roleOf(under)).toMatchObject({ holder: 'node1', state: 'primary' });
  under.stopNoded('node1', 'fast');
  await under.run(1500);
  expect(under.machine('node1').running.size).toBe(0);
  expect(roleOf(under)).toMatchObject({ holder: null, state: 'none' });
  expect(under.machine('node1').process).toBeNull();
  expect(twice()).toEqual([]);
});

it('a frozen primary that comes back acts on nothing of its former tenure', async () => {
  const under = world(5, 3, { 'fencing.enabled': false });
  const twice = checkOnePrimary(under);
  under.powerAll();
  await under.run(10_000);
  obey(under, 'freeze node1');
  await under.run(20_000);
  obey(under, 'thaw node1');
  await under.run(1);
  expect(under.trace.lines.some((line) => line.event === 'role' && line.because.startsWith('primary => deposed'))).toBe(
    true,
  );
  await under.run(10_000);
  await settled(under);
  expect(twice()).toEqual([]);
});

it('CLOCK4, S9: a primary whose whole machine slept lets go before it does anything else', async () => {
  const under = world(5, 3, { 'fencing.enabled': false });
  const twice = checkOnePrimary(under);
  under.powerAll();
  await under.run(10_000);
  const process = under.machine('node1').process;
  expect(roleOf(under).holder).toBe('node1');
  process?.suspend();
  await under.run(60_000);
  process?.resume();
  await under.run(20); // its resources are stopped: a few ms
  expect([...under.machine('node1').running]).toEqual([]);
  const said = under.trace.lines
    .filter((line) => line.node === 'node1' && line.atMs >= 70_000)
    .map((line) => line.event);
  expect(said.findIndex((event) => event.includes('deposed'))).toBeGreaterThanOrEqual(0);
  await under.run(15_000);
  await settled(under);
  expect(twice()).toEqual([]);
});

describe('failsafe (6.5)', () => {
  const set = { 'primary.failsafe': true };
  it('the store is away for everybody for 60 s: the primary goes on all along; without failsafe it steps down and comes back', async () => {
    for (const failsafe of [true, false]) {
      const under = world(4, 3, { 'primary.failsafe': failsafe });
      const twice = checkOnePrimary(under);
      under.powerAll();
      await under.run(10_000);
      const before = roleOf(under);
      obey(under, 'store down');
      let gaps = 0;
      for (let at = 0; at < 60_000; at += 50) {
        await under.run(50);
        if (runningOn(under).length === 0) gaps += 1;
      }
      expect(gaps === 0).toBe(failsafe);
      obey(under, 'store up');
      await under.run(5000);
      const after = await settled(under);
      expect(after.epoch === before.epoch).toBe(failsafe);
      expect(twice()).toEqual([]);
    }
  });

  it('one coordinator that still reaches the store, or does not answer, is enough to step down', async () => {
    for (const strike of [
      ['cut node1 --store'],
      ['store down', 'freeze node3'],
      ['store down', 'cut node2 --peers'],
      ['store down', 'power node2 off'],
    ]) {
      const under = world(4, 3, set);
      under.powerAll();
      await under.run(10_000);
      for (const command of strike) obey(under, command);
      const { leaseMs, stopBoundMs } = under.config('node1').timing;
      await under.run(leaseMs + stopBoundMs);
      expect({ strike, running: [...under.machine('node1').running] }).toEqual({ strike, running: [] });
    }
  });
});

it('S6: a request of another epoch, another holder, or too old a one is refused and touches nothing', async () => {
  const under = world(6, 3);
  under.powerAll();
  await under.run(10_000);
  const before = roleOf(under);
  obey(under, 'transfer node1 node2 0');
  obey(under, 'transfer node2 node3');
  under.ensemble.vandalise('/transfers/t-0000000009', '{"schema":1,"state":"asked"}');
  await under.run(5000);
  expect(roleOf(under)).toEqual(before);
  const states = [0, 1].map((id) => {
    const read = under.ensemble.read(`/transfers/t-000000000${id}`);
    return read.ok ? (JSON.parse(read.value.text) as { state: string }).state : 'missing';
  });
  expect(states).toEqual(['refused', 'refused']);
});

it('a primary that was started anew is shown as ended, never as primary, until its former lease has run out', async () => {
  const under = world(5, 3, { 'keepalive.interval': '5s' });
  const settle = settleIn(under.time);
  const shown = async (by: string) => {
    const answer = await settle(under.endpoints.get(by)?.answer({ kind: 'cluster' }) ?? Promise.reject(new Error(by)));
    if (answer.kind !== 'cluster' || answer.picture === null) throw new Error(`${by} shows nothing`);
    return (answer.picture.view as ClusterView).primary;
  };
  under.powerAll();
  await under.run(20_000);
  const { holder, epoch } = await settled(under);
  const other = [...under.machines.keys()].find((name) => name !== holder) ?? '';
  expect(await shown(other)).toMatchObject({ holder, epoch, state: 'primary' });
  under.machine(holder ?? '').killNoded();
  const isBack = () => under.endpoints.has(holder ?? '') && runningOn(under).length === 0;
  while (!isBack()) await under.run(100);
  await under.run(2000); // it registers; a picture is at most one second old
  const seen: string[] = [];
  while (roleOf(under).state === 'primary' && roleOf(under).epoch === epoch) {
    const { state, because } = await shown(other);
    seen.push(`${state}: ${because}`);
    await under.run(500);
  }
  expect(seen.length).toBeGreaterThan(1);
  for (const line of seen)
    expect(line).toMatch(/^ended: node\d's previous run ended; the role is free when its lease expires/);
  await under.run(10_000);
  expect(await shown(other)).toMatchObject({ state: 'primary' });
});
