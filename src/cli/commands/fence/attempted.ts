/**
 * What became of an attempt (a level tried by one fencer) in the last fence of a node. A verification reads a device and sends
 * it no power command, so a newer failed attempt outranks it.
 */
import { inWords } from '../../../core/decision.ts';
import type { Attempt } from '../../../core/fencers.ts';
import { isConfirmedOff } from '../../../core/fencing.ts';
import type { FenceRecord, FenceStep } from '../../../records/fence.ts';
import type { VerificationEntry } from '../../../records/verification.ts';

export interface Attempted {
  /** `failing`: it is under way, and its last step was a failure; `trying`: it is under way. */
  readonly state: 'failed' | 'failing' | 'trying';
  /** When it failed, or since when it is tried, by the fencer's clock: the clock of its verification, too. */
  readonly wallMs: number;
  readonly because: string;
}

/** Steps that begin an attempt, and those that say that something in it did not work. */
const begins: readonly string[] = ['intent', 'tried again', 'resumed'];
const troubles: readonly string[] = ['power not readable', 'power off not taken'];

/** Null: it was not made, or it made sure that the node is off. */
export function attemptedOf(fence: FenceRecord | null, { level, by }: Attempt): Attempted | null {
  if (fence === null || (isConfirmedOff(fence.state) && fence.level === level && fence.fencer === by)) return null;
  if (fence.state === 'intent' && fence.attempting === level && fence.fencer === by) {
    const from = fence.steps.findLastIndex(({ what }) => begins.includes(what));
    const since = fence.steps[from]?.wallMs ?? fence.verdictWallMs;
    const trouble = fence.steps.slice(from + 1).findLast(({ what }) => troubles.includes(what));
    if (trouble === undefined) return { state: 'trying', wallMs: since, because: '' };
    return { state: 'failing', wallMs: trouble.wallMs, because: `${trouble.what}: ${trouble.because}` };
  }
  const failed = fence.steps.findLast((one) => one.by === by && isFailureOf(one, level));
  return failed === undefined ? null : { state: 'failed', wallMs: failed.wallMs, because: failed.because };
}

function isFailureOf({ what, because }: FenceStep, level: string): boolean {
  return (
    what === 'attempt failed' && [`level ${level}: `, `level ${level} is`].some((begin) => because.startsWith(begin))
  );
}

/** Whether the attempt failed, or is failing, after it was verified (null: never). */
export function outranks(attempted: Attempted | null, verifiedWallMs: number | null): attempted is Attempted {
  return attempted !== null && attempted.state !== 'trying' && attempted.wallMs >= (verifiedWallMs ?? -Infinity);
}

/** "failed 12 s ago: level pdu: ...", "failing now: ...", "being tried for 3 s". */
export function attemptedInWords({ state, wallMs, because }: Attempted, nowWallMs: number): string {
  if (state === 'trying') return `being tried now, for ${inWords(Math.max(0, nowWallMs - wallMs))}`;
  return `${state === 'failing' ? 'failing now' : `failed ${ago(wallMs, nowWallMs)}`}: ${because}`;
}

/** A coordinator's verification of a node after what it tried in the last fence: a level that has failed since does not hold. */
export function afterAttempts(entry: VerificationEntry, by: string, fence: FenceRecord | null): VerificationEntry {
  const levels = entry.levels.map((one) => {
    const attempted = attemptedOf(fence, { level: one.level, by });
    if (one.proof !== 'holds' || !outranks(attempted, entry.wallMs)) return { one, failed: null };
    return { one: { ...one, proof: 'failed' as const, because: attempted.because }, failed: attempted };
  });
  const failed = levels.find((level) => level.failed !== null)?.failed ?? null;
  if (failed === null) return entry;
  const canFence = levels.some(({ one }) => one.proof === 'holds');
  const because = `a fence of ${fence?.target ?? 'it'} failed after the verification: ${failed.because}`;
  const since = { sinceWallMs: failed.wallMs, fault: 'attempt-failed', because, advice: null };
  return { ...entry, ...since, canFence, levels: levels.map(({ one }) => one) };
}

/** "verified 10 min ago", "less than 1 s ago" where clocks differ. */
export function ago(wallMs: number, nowWallMs: number): string {
  const ms = nowWallMs - wallMs;
  if (ms < 1000) return 'less than 1 s ago';
  const hours = ms / 3_600_000;
  return hours >= 2 ? `${Number(hours.toFixed(1))} h ago` : `${inWords(Math.round(ms / 1000) * 1000)} ago`;
}
