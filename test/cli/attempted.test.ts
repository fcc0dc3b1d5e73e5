/** What nodectl says of a verification once a fence has tried the same. */
import { afterAttempts, ago, attemptedInWords, attemptedOf, outranks } from '../../src/cli/commands/fence/attempted.ts';
import type { FenceRecord, FenceStep } from '../../src/records/fence.ts';
import { noFence } from '../../src/records/fence.ts';
import type { VerificationEntry } from '../../src/records/verification.ts';

const step = (wallMs: number, by: string, what: string, because: string): FenceStep => ({ wallMs, by, what, because });
const fence = (changes: Partial<FenceRecord>): FenceRecord => ({ ...noFence('node2'), id: 'f', ...changes });
const entry = (wallMs: number, ...levels: string[]): VerificationEntry => ({
  schema: 1,
  canFence: true,
  levels: levels.map((level) => ({ level, proof: 'holds', because: 'login works' })),
  power: 'on',
  guid: null,
  sinceWallMs: 0,
  fault: null,
  because: 'login works',
  advice: null,
  wallMs,
});
const failed = fence({
  state: 'failed',
  fencer: 'node1',
  steps: [
    step(1000, 'node1', 'intent', 'dead'),
    step(2000, 'node1', 'attempt failed', 'level ipmi: no answer'),
    step(3000, 'node3', 'attempt failed', 'level ipmi+pdu: no answer'),
  ],
});

it('a failed attempt outranks an older verification of the same level by the same coordinator, and no other', () => {
  const attempted = attemptedOf(failed, { level: 'ipmi', by: 'node1' });
  expect(attempted).toEqual({ state: 'failed', wallMs: 2000, because: 'level ipmi: no answer' });
  expect(outranks(attempted, 1999)).toBe(true);
  expect(outranks(attempted, null)).toBe(true);
  expect(outranks(attempted, 2001)).toBe(false);
  expect(attemptedOf(failed, { level: 'ipmi', by: 'node3' })).toBeNull();
  expect(attemptedOf(failed, { level: 'pdu', by: 'node1' })).toBeNull();
  expect(attemptedOf(null, { level: 'ipmi', by: 'node1' })).toBeNull();
});

it('an attempt that is under way is told as such; a trouble in it outranks a verification', () => {
  const steps = [...failed.steps, step(9000, 'node1', 'tried again', 'round 2')];
  const running = fence({ ...failed, state: 'intent', attempting: 'ipmi', steps });
  const trying = attemptedOf(running, { level: 'ipmi', by: 'node1' });
  expect(outranks(trying, 0)).toBe(false);
  expect(trying === null ? '' : attemptedInWords(trying, 12_000)).toBe('being tried now, for 3 s');
  const trouble = { ...running, steps: [...steps, step(9500, 'node1', 'power off not taken', 'refused (80 ms)')] };
  const failing = attemptedOf(trouble, { level: 'ipmi', by: 'node1' });
  expect(outranks(failing, 9000)).toBe(true);
  expect(failing === null ? '' : attemptedInWords(failing, 12_000)).toBe(
    'failing now: power off not taken: refused (80 ms)',
  );
});

it('an attempt that made sure in the end did not fail', () => {
  const done = fence({ ...failed, state: 'finished', level: 'ipmi' });
  expect(attemptedOf(done, { level: 'ipmi', by: 'node1' })).toBeNull();
});

it('fence-check: what failed after it was verified cannot fence; another level still can', () => {
  expect(afterAttempts(entry(1500, 'ipmi'), 'node1', failed)).toMatchObject({
    canFence: false,
    fault: 'attempt-failed',
    because: 'a fence of node2 failed after the verification: level ipmi: no answer',
    sinceWallMs: 2000,
  });
  expect(afterAttempts(entry(1500, 'ipmi', 'pdu'), 'node1', failed)).toMatchObject({
    canFence: true,
    fault: 'attempt-failed',
    levels: [{ proof: 'failed' }, { proof: 'holds' }],
  });
  expect(afterAttempts(entry(2500, 'ipmi'), 'node1', failed)).toEqual(entry(2500, 'ipmi'));
});

it.each([
  [-5000, 'less than 1 s ago'],
  [400, 'less than 1 s ago'],
  [12_300, '12 s ago'],
  [600_000, '10 min ago'],
  [9_000_000, '2.5 h ago'],
])('the age of what is %d ms old: %s', (ms, words) => {
  expect(ago(1_000_000, 1_000_000 + ms)).toBe(words);
});
