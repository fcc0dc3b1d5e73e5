import { test as property, fc } from '@fast-check/jest';
import { judgeFeeding } from '../../src/core/self-fence.ts';

const facts = { sinceTurnMs: 100, turnMaxMs: 3000, holds: true, leaseLeftMs: 500, stopBoundMs: 2000 } as const;

it('S9: fed while the keepalive turns, and what is held may be held, or is being stopped in time', () => {
  expect(judgeFeeding(facts).verdict).toBe('feed');
  expect(judgeFeeding({ ...facts, leaseLeftMs: -2000 }).verdict).toBe('feed');
  expect(judgeFeeding({ ...facts, holds: false, leaseLeftMs: -Infinity }).verdict).toBe('feed');
});

it('S9: starved when the keepalive does not turn, or something is held too long; it says why', () => {
  expect(judgeFeeding({ ...facts, sinceTurnMs: 3001 })).toMatchObject({
    verdict: 'starve',
    because: expect.stringMatching(/has not turned for 3 s/) as string,
  });
  expect(judgeFeeding({ ...facts, leaseLeftMs: -2001 })).toMatchObject({
    verdict: 'starve',
    because: expect.stringMatching(/not everything has stopped within 2 s/) as string,
  });
});

property.prop([fc.integer({ min: -60_000, max: 60_000 }), fc.nat(10_000), fc.nat(10_000), fc.nat(10_000)])(
  'S1c: whoever holds something is never fed later than lease + stop bound after its last proof',
  (leaseLeftMs, stopBoundMs, sinceTurnMs, turnMaxMs) => {
    const { verdict } = judgeFeeding({ holds: true, leaseLeftMs, stopBoundMs, sinceTurnMs, turnMaxMs });
    if (verdict === 'feed') expect(-leaseLeftMs).toBeLessThanOrEqual(stopBoundMs);
  },
);
