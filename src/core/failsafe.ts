/**
 * Failsafe: while the store is away for everybody, a primary may go on for as long as *every* other coordinator
 * answers over the API and agrees. Each answer is judged here. Nobody is ever appointed by it. (Idea: Patroni's DCS
 * failsafe mode.) An agreement counts only if it comes from another node, by name and in its known incarnation (core/answerer.ts).
 */
import type { Decision } from './decision.ts';
import { decide } from './decision.ts';

export interface AgreementFacts {
  readonly self: string;
  /** Whether this coordinator has a live session with the store. */
  readonly sessionLive: boolean;
  /** The record as this coordinator last read it; null: never. */
  readonly known: {
    readonly holder: string | null;
    readonly incarnation: string | null;
    readonly epoch: number;
  } | null;
  readonly asking: { readonly node: string; readonly incarnation: string; readonly epoch: number };
}

/** Whether this coordinator agrees that the asking primary goes on for one more lease. */
export function judgeAgreement(facts: AgreementFacts): Decision<'agree' | 'decline'> {
  const { known, asking } = facts;
  if (asking.node === facts.self) return decide('decline', `${facts.self} does not agree with itself`);
  if (facts.sessionLive) {
    return decide('decline', `${facts.self} reaches the store: the primary must prove itself there, not to me`);
  }
  if (known === null) return decide('decline', `${facts.self} has never read the primary record`);
  if (known.holder !== asking.node || known.incarnation !== asking.incarnation || known.epoch !== asking.epoch) {
    return decide(
      'decline',
      `${facts.self} knows ${known.holder ?? 'nobody'} with epoch ${known.epoch}, not ${asking.node} with epoch ${asking.epoch}`,
    );
  }
  return decide('agree', `${facts.self} has lost the store too and knows ${asking.node} with epoch ${asking.epoch}`);
}
