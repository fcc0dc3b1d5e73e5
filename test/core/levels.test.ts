import type { LevelStep } from '../../src/core/levels.ts';
import { levelOutcome, nextLevelStep, offIsCredible } from '../../src/core/levels.ts';
import { test as property, fc } from '@fast-check/jest';

const facts = {
  reading: 'on',
  readingBecause: '',
  requests: 1,
  requestsMax: 4,
  taken: true,
  readAfterTaken: true,
  offForMs: null,
  sinceRequestMs: 100,
  elapsedMs: 100,
  deadlineMs: 20_000,
  repeatRequestMs: 5000,
  offDoubt: null,
} as const;
const off = { ...facts, reading: 'off', offForMs: 250 } as const;

it('S4: off at the first look is ordered off all the same', () => {
  expect(nextLevelStep({ ...off, requests: 0, taken: false, readAfterTaken: false }).step).toBe('request-off');
});

it('S4: off counts when a command was taken and it was read twice, 250 ms apart, the last time after the command', () => {
  expect(nextLevelStep(off)).toEqual({ step: 'confirm', because: 'power reads off after the command, twice' });
  expect(nextLevelStep({ ...off, offForMs: null }).step).toBe('read-again');
  expect(nextLevelStep({ ...off, offForMs: 249 }).step).toBe('read-again');
  expect(nextLevelStep({ ...off, readAfterTaken: false }).step).toBe('read-again');
  expect(nextLevelStep({ ...off, taken: false, readAfterTaken: false, sinceRequestMs: 5000 }).step).toBe('request-off');
  expect(nextLevelStep({ ...off, taken: false, readAfterTaken: false, elapsedMs: 20_000 })).toEqual({
    step: 'give-up',
    because: 'power reads off, but the device took no power-off command (1 sent)',
  });
});

it('on: ordered off once, then only read until the order is old', () => {
  expect(nextLevelStep({ ...facts, requests: 0, taken: false }).step).toBe('request-off');
  expect(nextLevelStep(facts).step).toBe('read-again');
  expect(nextLevelStep({ ...facts, sinceRequestMs: 5000 }).step).toBe('request-off');
});

it('S4: at the deadline it has failed, whatever was answered; unknown is never off', () => {
  expect(nextLevelStep({ ...facts, elapsedMs: 20_000 })).toEqual({
    step: 'give-up',
    because: 'power still reads on after 1 power-off command',
  });
  const unknown = nextLevelStep({ ...facts, reading: 'unknown', readingBecause: 'nothing answers', elapsedMs: 20_000 });
  expect(unknown).toEqual({ step: 'give-up', because: 'power could not be read: nothing answers' });
});

property.prop([
  fc.record({
    requests: fc.nat(9),
    requestsMax: fc.nat(9),
    taken: fc.boolean(),
    readAfterTaken: fc.boolean(),
    offForMs: fc.option(fc.nat(999)),
    offDoubt: fc.option(fc.constant('doubt')),
    sinceRequestMs: fc.nat(99_999),
    elapsedMs: fc.nat(99_999),
    deadlineMs: fc.nat(99_999),
    repeatRequestMs: fc.nat(9999),
  }),
])('S4: only readings of off after a command confirm', (some) => {
  for (const reading of ['on', 'unknown'] as const)
    expect(nextLevelStep({ ...some, reading, readingBecause: 'x' }).step).not.toBe('confirm');
  const { step } = nextLevelStep({ ...some, reading: 'off', readingBecause: '' });
  const { taken, readAfterTaken, offForMs, offDoubt } = some;
  expect(step === 'confirm').toBe(taken && readAfterTaken && offForMs !== null && offForMs >= 250 && offDoubt === null);
});

it('S4: a device of which there is a doubt is not believed when it says off', () => {
  const never = { ...off, offDoubt: 'this device never read on while the node lived' } as const;
  expect(nextLevelStep({ ...never, requests: 0, taken: false }).step).toBe('request-off');
  expect(nextLevelStep({ ...never, elapsedMs: 20_000 })).toMatchObject({
    step: 'give-up',
    because: expect.stringMatching(/not believed.*never read on/) as string,
  });
});

it('two devices: off only when both read off in the same pass; what fails is named', () => {
  const step = (device: string, next: LevelStep) => ({ device, next });
  const isOff = { step: 'confirm', because: 'power already read off' } as const;
  const on = { step: 'read-again' } as const;
  const order = { step: 'request-off' } as const;
  const over = { step: 'give-up', because: 'power still reads on after 2 order(s) to go off' } as const;
  expect(levelOutcome([step('a', isOff), step('b', on)]).step).toBe('read-again');
  expect(levelOutcome([step('a', isOff), step('b', order)]).step).toBe('request-off');
  expect(levelOutcome([step('a', isOff), step('b', isOff)])).toEqual({
    step: 'confirm',
    because: 'a: power already read off; b: power already read off',
  });
  expect(levelOutcome([step('a', isOff), step('b', over)])).toEqual({ step: 'give-up', because: `b: ${over.because}` });
  expect(levelOutcome([step('a', over)])).toEqual(over);
});

it('S4: a BMC that says off while keepalives go on is lying', () => {
  const sign = (sequence: number) => ({ incarnation: 'a', sequence });
  expect(offIsCredible(true, sign(5), sign(5), null).answer).toBe('credible');
  expect(offIsCredible(true, sign(5), sign(7), null).answer).toBe('look-again');
  expect(offIsCredible(true, sign(5), sign(7), sign(7)).answer).toBe('credible');
  expect(offIsCredible(true, sign(5), sign(7), sign(8)).answer).toBe('wrong-state');
  // A node that lived when an operator condemned it: one quiet moment proves nothing.
  expect(offIsCredible(false, sign(5), sign(5), null).answer).toBe('look-again');
  expect(offIsCredible(false, sign(5), sign(5), sign(5)).answer).toBe('credible');
  expect(offIsCredible(false, sign(5), sign(5), sign(6)).answer).toBe('wrong-state');
});
