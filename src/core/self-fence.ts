/**
 * Whether the watchdog may be fed (S9, S1c). It is fed only while the keepalive loop truly turns, and while this node holds
 * nothing, or still may hold it, or is still within the time that it has to stop it. So the bound that the node publishes
 * (config/timing.ts, watchdogBoundMs) holds whatever hangs: so long after its last acknowledged keepalive it holds nothing, or
 * its machine has been reset. (Idea: sbd feeds only while its servants are healthy.)
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';

export interface FeedFacts {
  /** How long ago the keepalive loop turned last, and how long one turn may take at most. */
  readonly sinceTurnMs: number;
  readonly turnMaxMs: number;
  /** Whether anything is held that must not run on two nodes. */
  readonly holds: boolean;
  /** What is left of the lease; negative: over since so long. */
  readonly leaseLeftMs: number;
  /** Within this after the end of the lease everything has stopped. */
  readonly stopBoundMs: number;
}

export function judgeFeeding(facts: FeedFacts): Decision<'feed' | 'starve'> {
  const { sinceTurnMs, turnMaxMs, holds, leaseLeftMs, stopBoundMs } = facts;
  if (sinceTurnMs > turnMaxMs)
    return decide('starve', `the keepalive loop has not turned for ${inWords(sinceTurnMs)}`, { sinceTurnMs });
  if (holds && leaseLeftMs < -stopBoundMs)
    return decide(
      'starve',
      `the lease is over since ${inWords(-leaseLeftMs)} and not everything has stopped within ${inWords(stopBoundMs)}`,
      { leaseLeftMs },
    );
  return decide('feed', holds ? 'what this node holds it may hold' : 'this node holds nothing');
}
