/**
 * Who fences, and who goes on when the first one cannot. After an attempt failed, the others try from their own paths,
 * by rank; when all have tried, the round is over and the next one begins after a growing pause (rule 11 of the field:
 * never give up silently, never assume dead).
 */
import { byRank } from './observers.ts';

export interface RetryFacts {
  readonly self: string;
  /** Coordinators that are present right now. */
  readonly candidates: readonly { readonly name: string; readonly priority: number }[];
  readonly target: string;
  /** Who has tried and failed in this round, in order. */
  readonly triedThisRound: readonly string[];
  /** Complete rounds so far. */
  readonly rounds: number;
  /** Own monotonic time since this observer first saw the record in this state. */
  readonly sinceSeenMs: number;
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
  /** How long the fencer whose turn it is may be silent before the next one steps in. */
  readonly turnMs: number;
}

export interface Turn {
  readonly mine: boolean;
  /** True when this attempt begins a new round. */
  readonly newRound: boolean;
  readonly because: string;
}

/** Whether it is this node's turn to try a failed fence again. */
export function retryTurn(facts: RetryFacts): Turn {
  const able = byRank(facts.candidates.filter((candidate) => candidate.name !== facts.target));
  const untried = able.filter((candidate) => !facts.triedThisRound.includes(candidate.name));
  const newRound = untried.length === 0;
  const waitMs = newRound ? Math.min(facts.backoffMs * 2 ** Math.min(facts.rounds, 20), facts.backoffMaxMs) : 0;
  const queue = newRound ? able : untried;
  const place = queue.findIndex((candidate) => candidate.name === facts.self);
  if (place < 0) return { mine: false, newRound, because: 'this node has already tried in this round' };
  const mine = facts.sinceSeenMs >= waitMs + place * facts.turnMs;
  const because = newRound
    ? `every coordinator has tried (${facts.triedThisRound.join(', ')}); round ${facts.rounds + 2} begins after a pause`
    : `${facts.triedThisRound.join(', ')} failed; ${queue[0]?.name ?? '?'} tries next, from its own path`;
  return { mine, newRound, because };
}
