/**
 * Who may stand for the primary role, and in which order they try. The order is a courtesy that saves collisions;
 * safety is the versioned write. A loser is a secondary again at once: it neither waits nor forces itself on.
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';
import { byRank } from './observers.ts';

export interface EligibilityFacts {
  readonly role: 'coordinator' | 'worker';
  readonly daemonState: 'starting' | 'run' | 'shutdown' | 'stop';
  readonly sessionLive: boolean;
  /** Age of its last acknowledged keepalive; null: none yet. Its lease would count from that one. */
  readonly keepaliveAgeMs: number | null;
  readonly keepaliveMaxMs: number;
  readonly steppedDown: boolean;
  readonly maintenance: string | null;
  /** For how long this node stays out after it could not run the resources; 0: it is not barred. */
  readonly barredMs: number;
  readonly barredBecause: string;
}

/** Whether a node may become primary; the sentence is what an operator sees when it may not. */
export function judgeEligibility(facts: EligibilityFacts): Decision<'eligible' | 'not-eligible'> {
  const no = (because: string) => decide('not-eligible', because);
  if (facts.role !== 'coordinator') return no('it is a worker; only coordinators can be primary');
  if (facts.daemonState !== 'run') return no(`its noded is in "${facts.daemonState}"`);
  if (!facts.sessionLive) return no('its session with the store is not live');
  const { keepaliveAgeMs: ageMs } = facts;
  if (ageMs === null) return no('ZooKeeper has not acknowledged a keepalive of it yet');
  if (ageMs > facts.keepaliveMaxMs) return no(`ZooKeeper has acknowledged no keepalive of it for ${inWords(ageMs)}`);
  if (facts.steppedDown) return no('it is being fenced and has stepped down');
  if (facts.maintenance !== null) return no(`it is in maintenance: ${facts.maintenance}`);
  if (facts.barredMs > 0) return no(`it stays out for ${inWords(facts.barredMs)} more: ${facts.barredBecause}`);
  return decide('eligible', 'it may become primary');
}

export interface Candidate {
  readonly name: string;
  readonly priority: number;
  readonly incarnation: string;
}

/** How long the candidate of this rank waits before it tries, so that the best one finds the way free. */
export function turnMs(self: string, candidates: readonly Candidate[], stepMs: number): number {
  const order = byRank(candidates).map((candidate) => candidate.name);
  const place = order.indexOf(self);
  return (place < 0 ? order.length : place) * stepMs;
}

/** The best candidate but `self`; null: there is none. */
export function bestOther(self: string, candidates: readonly Candidate[]): Candidate | null {
  return byRank(candidates.filter((candidate) => candidate.name !== self))[0] ?? null;
}
