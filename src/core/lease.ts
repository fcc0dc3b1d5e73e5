/**
 * The lease (6.4, S9): how long a primary may go on after it last proved that it holds the role. The proof is an
 * acknowledged keepalive (the write that other nodes see, and that they count from) followed, in the same session, by a read of the record that names this life; it counts from the
 * monotonic time at which that write was *sent*. Reads and pings prove nothing (measured: a server cut off from its
 * quorum answered them for 4.6 s after another client owned the lock).
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';

/** Part of the session timeout for which one proof is good. */
export const leaseShare = 2 / 3;
/** By how much a clock may run too fast or too slow. */
export const clockRateError = 0.001;

export function leaseMs(sessionTimeoutMs: number): number {
  return Math.floor((sessionTimeoutMs * 2) / 3);
}

/** While primary, a proof is renewed at least this often: three may be lost before the lease is half over. */
export function renewalMs(sessionTimeoutMs: number, intervalMs: number): number {
  return Math.max(50, Math.min(intervalMs, Math.floor(sessionTimeoutMs / 10)));
}

export interface LeaseFacts {
  readonly nowMs: number;
  /** Monotonic sending time of the newest proof. */
  readonly provenMs: number;
  readonly leaseMs: number;
}

/** What is left of the lease; negative: it is over. */
export function leaseLeftMs(facts: LeaseFacts): number {
  return facts.provenMs + facts.leaseMs - facts.nowMs;
}

/** Whether a primary may go on right now. */
export function judgeLease(facts: LeaseFacts): Decision<'holds' | 'over'> {
  const left = leaseLeftMs(facts);
  const evidence = { leaseMs: facts.leaseMs, sinceProofMs: Math.round(facts.nowMs - facts.provenMs) };
  if (left > 0) return decide('holds', `the lease holds for ${inWords(left)} more`, evidence);
  return decide(
    'over',
    `the last proof of holding the role is ${inWords(facts.nowMs - facts.provenMs)} old, the lease lasts ${inWords(facts.leaseMs)}`,
    evidence,
  );
}
