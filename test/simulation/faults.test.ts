/** Stories that no text can tell: what happens at a certain step of another node. */
import { createHash } from 'node:crypto';
import { simCluster } from '../../src/sim/cluster.ts';
import { obey } from '../../src/sim/scenario.ts';
import { unsettled } from '../../src/sim/swarm/settled.ts';
import { World } from '../../src/sim/world.ts';

const fast = {
  'keepalive.interval': '1s',
  'detection.savingThrows': 3,
  'fencing.levelDeadline': '10s',
  'fencing.retryBackoff': '5s',
  'fencing.maxFencesPerHour': 100,
  'primary.resources': 'vip db',
  'primary.barAfterFailure': '20s',
  'primary.checkInterval': '3s',
};
const world = (seed: number, nodes = 3, set = {}) =>
  new World({ seed, nodes: simCluster({ nodes, set: { ...fast, ...set } }), bootMs: 3000 });
describe('the fencer loses power at a certain step: another goes on, and power is switched at most once each way', () => {
  const steps: readonly [string, RegExp][] = [
    ['the verdict', /^warn: verdict$/],
    ['the intent', /^warn: fence-intent$/],
    ['power off ordered', /fence step.*power off ordered/],
    ['power reads off', /fence step.*power reads off/],
    ['recorded as fenced', /^fenced$/],
    ['the decision to restore', /fence step.*power on: /],
    ['power on ordered', /fence step.*power on ordered/],
    ['power reads on', /fence step.*power reads on/],
  ];
  it.each(steps)('%s', async (_what, pattern) => {
    const under = world(11, 5);
    under.powerAll();
    await under.run(15_000);
    let killed: string | null = null;
    under.trace.onLine = (line) => {
      if (
        killed !== null ||
        line.node === 'node2' ||
        !pattern.test(`${line.event}${line.event === 'fence step' ? `: ${line.because}` : ''}`)
      )
        return;
      killed = line.node;
      const { node } = line;
      under.time.after(0, () => under.machine(node).powerOff());
    };
    obey(under, 'freeze node2');
    await under.run(90_000);
    expect(killed).not.toBeNull();
    const orders = under.bmc('node2').orders.map((order) => order.power);
    // Each fencer sends the command, also to a machine that is off already: it does nothing then.
    expect(orders.filter((power) => power === 'off').length).toBeLessThanOrEqual(2);
    expect(under.machine('node2').boots).toBe(2);
    expect(unsettled(under)).toEqual([]);
  });
});

it('the same seed gives the same history, to the byte; another seed another', async () => {
  const hash = async (seed: number) => {
    const under = world(seed);
    under.powerAll();
    await under.run(15_000);
    obey(under, 'power node2 off');
    await under.run(30_000);
    return createHash('sha256').update(under.trace.text()).digest('hex');
  };
  const [one, again, other] = [await hash(5), await hash(5), await hash(6)];
  expect(one).toBe(again);
  expect(one).not.toBe(other);
});

it('5 s of virtual pause between the last check and the shot: the fencer that was frozen does not shoot', async () => {
  const under = world(3, 4);
  under.powerAll();
  await under.run(15_000);
  let fencer = '';
  under.trace.onLine = (line) => {
    if (fencer !== '' || line.event !== 'warn: fence-intent') return;
    fencer = line.node;
    under.machine(fencer).process?.freeze();
  };
  obey(under, 'bmc node2 stuck'); // so that the fence is still open when the frozen fencer comes back
  obey(under, 'freeze node2');
  await under.run(20_000);
  const before = under.bmc('node2').orders.length;
  const name = fencer;
  if (under.machine(name).process?.frozen === true) under.machine(name).process?.thaw();
  await under.run(100);
  expect(
    under
      .bmc('node2')
      .orders.slice(before)
      .filter((order) => order.by === name),
  ).toEqual([]);
});
