/** The promises of environment/power.ts, as tests that both implementations must pass. */
import { judgeProbe } from '../../src/core/verification.ts';
import type { Power } from '../../src/environment/power.ts';
import type { IpmiDevice } from '../../src/records/device.ts';

/** How the BMC stands that is asked: sound, with an account that may only look, with a wrong password, or away. */
export type BmcCondition = 'sound' | 'viewer' | 'wrong-password' | 'away' | 'nonsense';

export interface PowerUnderTest {
  readonly power: Power;
  /** A reference to a BMC in this condition. */
  reference(condition: BmcCondition): IpmiDevice;
  setPower(power: 'on' | 'off'): void;
  /** How many orders to switch power have arrived so far. */
  ordersArrived(): number;
  /** Runs a promise to its end while time passes. */
  settle<T>(work: Promise<T>): Promise<T>;
  nowMs(): number;
}

export function powerCompliance(name: string, setUp: () => Promise<PowerUnderTest>): void {
  describe(`power's promises: ${name}`, () => {
    let under: PowerUnderTest;
    beforeAll(async () => {
      under = await setUp();
    });
    beforeEach(() => under.setPower('on'));
    const done = <T>(work: Promise<T>) => under.settle(work);
    const deadlineMs = 3000;

    it('POWER1: power is told as the BMC tells it', async () => {
      const { power } = under;
      const read = () => done(power.read(under.reference('sound'), deadlineMs));
      expect(await read()).toMatchObject({ power: 'on', fault: null });
      under.setPower('off');
      expect(await read()).toMatchObject({ power: 'off', fault: null });
    });

    it.each([
      ['wrong-password', 'wrong-credentials'],
      ['away', 'no-answer'],
      ['nonsense', 'nonsense'],
    ] as const)('POWER1: %s is never off, and is named: %s', async (condition, fault) => {
      under.setPower('off');
      const reading = await done(under.power.read(under.reference(condition), deadlineMs));
      expect(reading).toMatchObject({ power: 'unknown', fault });
      expect(reading.because.length).toBeGreaterThan(5);
    });

    it.each(['sound', 'away', 'wrong-password'] as const)('POWER2: every call ends in time (%s)', async (condition) => {
      const reference = under.reference(condition);
      const limitMs = deadlineMs + 1000;
      const calls: readonly (() => Promise<unknown>)[] = [
        () => under.power.read(reference, deadlineMs),
        () => under.power.order(reference, 'on', deadlineMs),
        () => under.power.probe(reference, deadlineMs),
        () => under.power.identify(reference, deadlineMs),
      ];
      for (const call of calls) {
        const startMs = under.nowMs();
        await done(call());
        expect(under.nowMs() - startMs).toBeLessThanOrEqual(limitMs);
      }
    });

    it('POWER3: an order is carried out, and only the reading says so', async () => {
      const { power } = under;
      const sound = under.reference('sound');
      for (const wanted of ['off', 'off', 'on', 'on'] as const) {
        expect(await done(power.order(sound, wanted, deadlineMs))).toMatchObject({ accepted: true, fault: null });
        expect((await done(power.read(sound, deadlineMs))).power).toBe(wanted);
      }
    });

    it('POWER3: an order that cannot be given is not called accepted', async () => {
      for (const condition of ['wrong-password', 'away'] as const) {
        const answer = await done(under.power.order(under.reference(condition), 'off', deadlineMs));
        expect(answer.accepted).toBe(false);
        expect(answer.fault).not.toBeNull();
      }
      expect((await done(under.power.read(under.reference('sound'), deadlineMs))).power).toBe('on');
    });

    it('POWER5: probing and reading change nothing', async () => {
      const before = under.ordersArrived();
      for (const condition of ['sound', 'viewer', 'wrong-password', 'away'] as const) {
        await done(under.power.probe(under.reference(condition), deadlineMs));
        await done(under.power.read(under.reference(condition), deadlineMs));
        await done(under.power.identify(under.reference(condition), deadlineMs));
      }
      expect(under.ordersArrived()).toBe(before);
    });

    it('a BMC says whose it is as its probe does; one that refuses the account, or is away, gives no answer', async () => {
      const { guid } = await done(under.power.probe(under.reference('sound'), 6000));
      expect(await done(under.power.identify(under.reference('sound'), deadlineMs))).toEqual({ guid, fault: null });
      for (const [condition, fault] of [
        ['wrong-password', 'wrong-credentials'],
        ['away', 'no-answer'],
      ] as const)
        expect(await done(under.power.identify(under.reference(condition), deadlineMs))).toEqual({ guid: null, fault });
    });

    it.each([
      ['wrong-password', 'wrong-credentials'],
      ['viewer', 'privilege-too-low'],
      ['away', 'no-answer'],
    ] as const)('the probe tells %s as %s', async (condition, fault) => {
      const probe = await done(under.power.probe(under.reference(condition), 6000));
      expect(judgeProbe(probe, null)).toMatchObject({ canFence: false, fault });
    });

    it('the probe of a sound BMC proves that it can fence, and finds the BMC of another machine by its GUID', async () => {
      const probe = await done(under.power.probe(under.reference('sound'), 6000));
      expect(probe.guid).not.toBeNull();
      expect(judgeProbe(probe, probe.guid)).toMatchObject({ canFence: true });
      expect(judgeProbe(probe, '00112233-4455-6677-8899-aabbccddeeff')).toMatchObject({
        canFence: false,
        fault: 'other-machine',
      });
    });
  });
}
