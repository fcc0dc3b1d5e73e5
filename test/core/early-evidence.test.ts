import { test as property, fc } from '@fast-check/jest';
import { judgeEarly } from '../../src/core/early-evidence.ts';

const facts = { readings: ['off', 'off'], provedOn: true, silentMs: 1200 } as const;

it('a silent node whose power reads off twice is dead at once', () => {
  expect(judgeEarly(facts)).toMatchObject({
    verdict: 'dead',
    because: expect.stringMatching(/1.2 s.*twice/) as string,
  });
});

it('S4: a device that was never seen to say on in this life is not believed', () => {
  expect(judgeEarly({ ...facts, provedOn: false }).verdict).toBe('wait');
});

it('one reading of off asks for another; on and unknown leave it to the saving throws', () => {
  expect(judgeEarly({ ...facts, readings: [] }).verdict).toBe('read-again');
  expect(judgeEarly({ ...facts, readings: ['off'] }).verdict).toBe('read-again');
  expect(judgeEarly({ ...facts, readings: ['off', 'on'] }).verdict).toBe('wait');
  expect(judgeEarly({ ...facts, readings: ['off', 'unknown'] }).verdict).toBe('wait');
  expect(judgeEarly({ ...facts, readings: ['unknown', 'off'] }).verdict).toBe('read-again');
});

const reading = fc.constantFrom('on', 'off', 'unknown');
property.prop([fc.array(reading), fc.boolean(), fc.nat()])(
  'S4: dead only when the last two readings are off and the device had read on',
  (readings, provedOn, silentMs) => {
    const dead = judgeEarly({ readings, provedOn, silentMs }).verdict === 'dead';
    expect(dead).toBe(provedOn && readings.length >= 2 && readings.slice(-2).every((one) => one === 'off'));
  },
);
