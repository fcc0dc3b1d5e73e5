/**
 * Who fences, by which level, and who goes on when that fails. Every attempt is a level tried by one fencer, for each has
 * a path of its own. The order: level by level, within a level by rank; but what was proved beforehand to fail comes after
 * everything else (5.5), and is tried all the same in the end: a proof may be old, a device may work again (rule 29 of the
 * field). When all have been tried the round is over, and the next one begins after a growing pause (rule 11: never give up
 * silently, never assume dead).
 */
import { byRank } from './observers.ts';

export interface Attempt {
  readonly level: string;
  readonly by: string;
}

/**
 * What the newest row of the matrix says: proved to work, to fail, to say off while the node lives (S4: such a device is
 * asked nothing in an emergency, for it would be believed), or nothing.
 */
export type Proof = 'holds' | 'failed' | 'lying' | 'unknown';

export interface PlanFacts {
  readonly target: string;
  /** The levels at which something can be tried, in order. */
  readonly levels: readonly string[];
  /** Coordinators that are present right now. */
  readonly candidates: readonly { readonly name: string; readonly priority: number }[];
  readonly proof: (attempt: Attempt) => Proof;
}

export interface PlannedAttempt extends Attempt {
  /** It was proved that this fails; it is tried last. */
  readonly isDoubtful: boolean;
}

/** All attempts of one round, in their order. */
export function plannedAttempts(facts: PlanFacts): PlannedAttempt[] {
  const able = byRank(facts.candidates.filter((candidate) => candidate.name !== facts.target));
  const all = facts.levels.flatMap((level) => able.map(({ name }) => ({ level, by: name })));
  const lying = lyingLevels(facts);
  const honest = all.filter((attempt) => !lying.includes(attempt.level));
  const judged = honest.map((attempt) => ({ ...attempt, isDoubtful: facts.proof(attempt) === 'failed' }));
  return [...judged.filter((attempt) => !attempt.isDoubtful), ...judged.filter((attempt) => attempt.isDoubtful)];
}

/** Levels whose device was found saying off while the node lived, by anybody who could fence. */
export function lyingLevels({ levels, candidates, target, proof }: PlanFacts): string[] {
  const able = candidates.filter((candidate) => candidate.name !== target);
  return levels.filter((level) => able.some(({ name }) => proof({ level, by: name }) === 'lying'));
}

/** The levels that are passed over at first, because nobody can fence by them as far as is known. */
export function hopelessLevels(facts: PlanFacts): string[] {
  const planned = plannedAttempts(facts);
  const lying = lyingLevels(facts);
  const honest = facts.levels.filter((level) => !lying.includes(level));
  return honest.filter((level) => planned.every((attempt) => attempt.level !== level || attempt.isDoubtful));
}

/**
 * What `self` does when the intent has just been written: its own best attempt, at once, if nobody can do better; else it
 * passes the fence on to whoever is `next`. Rank alone passes nothing on: who is there first goes first.
 */
export function ownAttempt(
  facts: PlanFacts,
  self: string,
): { readonly attempt: Attempt | null; readonly next: Attempt | null } {
  const planned = plannedAttempts(facts);
  const [best] = planned;
  if (best === undefined) return { attempt: null, next: null };
  const own = planned.find((attempt) => attempt.by === self);
  const isAsGood = own !== undefined && own.level === best.level && own.isDoubtful === best.isDoubtful;
  return { attempt: isAsGood ? { level: own.level, by: self } : null, next: { level: best.level, by: best.by } };
}

export interface TurnFacts extends PlanFacts {
  readonly self: string;
  /** What was tried and failed in this round, in order. */
  readonly tried: readonly Attempt[];
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
  /** The attempt that this node makes now; null: it waits. */
  readonly mine: Attempt | null;
  /** True when this attempt begins a new round. */
  readonly newRound: boolean;
  readonly because: string;
}

/** Whether it is this node's turn to try a fence, at first or again. */
export function fencersTurn(facts: TurnFacts): Turn {
  const planned = plannedAttempts(facts);
  const untried = planned.filter((attempt) => !facts.tried.some((past) => isSame(past, attempt)));
  const newRound = untried.length === 0;
  const queue = planned.length === 0 ? callsForHelp(facts) : newRound ? planned : untried;
  const [first] = queue;
  if (first === undefined) return { mine: null, newRound, because: 'nobody is there who could fence' };
  const waitMs = newRound ? Math.min(facts.backoffMs * 2 ** Math.min(facts.rounds, 20), facts.backoffMaxMs) : 0;
  const own = queue.find((attempt) => attempt.by === facts.self);
  if (own === undefined)
    return { mine: null, newRound, because: 'this node has already tried everything in this round' };
  const before = new Set(queue.slice(0, queue.indexOf(own)).map((attempt) => attempt.by)).size;
  const isDue = facts.sinceSeenMs >= waitMs + before * facts.turnMs;
  if (planned.length === 0)
    return {
      mine: isDue ? { level: own.level, by: own.by } : null,
      newRound,
      because: 'there is still no level by which it could be fenced',
    };
  const failed = facts.tried.map(({ level, by }) => `${by} by level ${level}`).join(', ');
  const because = newRound
    ? `everything was tried (${failed}); round ${facts.rounds + 2} begins after a pause`
    : `${failed === '' ? '' : `failed so far: ${failed}; `}next is level ${first.level} by ${first.by}`;
  return { mine: isDue ? { level: own.level, by: own.by } : null, newRound, because };
}

/** When there is nothing to try at all, somebody says so again and again (rule 11): a person has to come. */
function callsForHelp({ candidates, target }: PlanFacts): PlannedAttempt[] {
  const able = byRank(candidates.filter((candidate) => candidate.name !== target));
  return able.map(({ name }) => ({ level: 'manual', by: name, isDoubtful: true }));
}

export function isSame(a: Attempt, b: Attempt): boolean {
  return a.level === b.level && a.by === b.by;
}
