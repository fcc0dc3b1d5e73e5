/** The promises of environment/clock.ts on both sides of the seam. */
import type { Clock } from '../../src/environment/clock.ts';
import { realClock } from '../../src/real/clock.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { settleIn } from '../support/virtual.ts';

interface ClockUnderTest {
  readonly clock: Clock;
  settle<T>(work: Promise<T>): Promise<T>;
}

const sides: readonly [string, () => ClockUnderTest][] = [
  ['real', () => ({ clock: realClock(), settle: (work) => work })],
  [
    'simulated',
    () => {
      const time = new VirtualTime();
      return { clock: new SimProcess(time), settle: settleIn(time) };
    },
  ],
];

describe.each(sides)("the clock's promises: %s", (_side, setUp) => {
  it('CLOCK1: it goes forward, and sleeping moves it by at least the time slept (CLOCK2)', async () => {
    const { clock, settle } = setUp();
    let lastMs = clock.monotonicMs();
    for (const ms of [0, 1, 5, 20]) {
      const startMs = clock.monotonicMs();
      expect(startMs).toBeGreaterThanOrEqual(lastMs);
      await settle(clock.sleep(ms));
      lastMs = clock.monotonicMs();
      expect(lastMs - startMs).toBeGreaterThanOrEqual(ms - 1); // timers of Node may fire a fraction of a ms early
    }
  });

  it('CLOCK2: sleepers wake in the order of their times', async () => {
    const { clock, settle } = setUp();
    const woken: number[] = [];
    const sleeper = async (ms: number) => {
      await clock.sleep(ms);
      woken.push(ms);
    };
    await settle(Promise.all([60, 5, 30].map(sleeper)));
    expect(woken).toEqual([5, 30, 60]);
  });

  it('CLOCK2: an abort wakes at once and never rejects, before, during and after the sleep', async () => {
    const { clock, settle } = setUp();
    const startMs = clock.monotonicMs();
    const waking = new AbortController();
    const sleeping = clock.sleep(60_000, waking.signal);
    waking.abort();
    await settle(sleeping);
    await settle(clock.sleep(60_000, waking.signal));
    expect(clock.monotonicMs() - startMs).toBeLessThan(1000);
    const late = new AbortController();
    await settle(clock.sleep(1, late.signal));
    late.abort();
  });

  it('CLOCK1: two clocks of one machine mean the same', () => {
    const [one, other] = [setUp().clock, setUp().clock];
    expect(Math.abs(one.monotonicMs() - other.monotonicMs())).toBeLessThan(100);
  });

  it('CLOCK3: wall time is a plausible date; CLOCK4: a machine that did not sleep says 0', () => {
    const { clock } = setUp();
    expect(clock.wallMs()).toBeGreaterThan(Date.UTC(2025, 0));
    expect(clock.suspendedMs()).toBe(0);
  });
});
