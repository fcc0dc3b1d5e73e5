/**
 * Who fences, by which level, and who goes on when that fails. Every attempt is a level tried by one fencer, for each has
 * a path of its own. The order: level by level, within a level by rank; but what was verified beforehand to fail comes after
 * everything else, and is tried all the same in the end: a verification may be old, a device may work again. What is known to
 * be another machine's device, or to report off wrongly, is not tried at all (core/device-trust.ts). When all have been tried the round is over, and the next one begins after a growing pause (rule 11: never give up
 * silently, never assume dead).
 */
import type { DeviceUse } from './device-trust.ts';
import { byRank } from './observers.ts';

export interface Attempt {
  readonly level: string;
  readonly by: string;
}

/** What was verified beforehand of an attempt; `unknown`: nothing yet. */
export type Proof = 'holds' | 'failed' | 'unknown';

/**
 * What the verifications say of an attempt, by verifier. Who has not verified this node (it is the task of others, or it has just
 * joined) is taken to fail where all who did fail: the level is passed over at first, as it is for them.
 */
export function proofOf(
  { by, level }: Attempt,
  verified: ReadonlyMap<string, readonly { readonly level: string; readonly proof: string }[]>,
): Proof {
  const of = (levels: readonly { readonly level: string; readonly proof: string }[]) =>
    levels.find((one) => one.level === level)?.proof;
  const own = verified.get(by);
  const told = own === undefined ? [...verified.values()].map(of) : [of(own)];
  if (told.includes('holds')) return own === undefined ? 'unknown' : 'holds';
  return told.includes('failed') ? 'failed' : 'unknown';
}

export interface PlanFacts {
  readonly target: string;
  /** The levels at which something can be tried, in order. */
  readonly levels: readonly string[];
  /** Coordinators that are present right now. */
  readonly candidates: readonly { readonly name: string; readonly priority: number }[];
  readonly proof: (attempt: Attempt) => Proof;
  /** What is known against the devices of a level, whoever tries it. */
  readonly standing: (level: string) => { readonly use: DeviceUse; readonly because: string };
}

export interface PlannedAttempt extends Attempt {
  /** It was verified that this fails, or its device is distrusted; it is tried last. */
  readonly isDoubtful: boolean;
}

/**
 * All attempts of one round, in their order: first what is not known to fail, then what was verified to fail (any fault: a
 * verification may be old, a device may work again), then distrusted devices. A device that may belong to another machine, or that
 * reports off wrongly, is not among them: no emergency makes it right.
 */
export function plannedAttempts(facts: PlanFacts): PlannedAttempt[] {
  const able = byRank(facts.candidates.filter((candidate) => candidate.name !== facts.target));
  const ranked = facts.levels.flatMap((level) => {
    const { use } = facts.standing(level);
    if (use === 'never') return [];
    return able.map(({ name }) => {
      const attempt = { level, by: name };
      const rank = use === 'last' ? 2 : facts.proof(attempt) === 'failed' ? 1 : 0;
      return { rank, planned: { ...attempt, isDoubtful: rank > 0 } };
    });
  });
  return [0, 1, 2].flatMap((rank) => ranked.filter((one) => one.rank === rank).map(({ planned }) => planned));
}

/** The levels that are not tried at all, each with the reason. */
export function barredLevels({ levels, standing }: PlanFacts): { readonly level: string; readonly because: string }[] {
  return levels.flatMap((level) => {
    const { use, because } = standing(level);
    return use === 'never' ? [{ level, because }] : [];
  });
}

export interface LateLevel {
  readonly level: string;
  /** What is known against it. */
  readonly because: string;
  /** Nothing better is there: it is tried first all the same. */
  readonly isAllThereIs: boolean;
}

/** The levels that no coordinator is known to be able to fence by: they are tried after all others. */
export function lateLevels(facts: PlanFacts): LateLevel[] {
  const planned = plannedAttempts(facts);
  const isAllThereIs = planned.every(({ isDoubtful }) => isDoubtful);
  return facts.levels.flatMap((level) => {
    const { use, because } = facts.standing(level);
    const isLate = planned.every((attempt) => attempt.level !== level || attempt.isDoubtful);
    if (use === 'never' || !isLate) return [];
    return [
      { level, because: use === 'last' ? because : 'it was verified to fail from every coordinator', isAllThereIs },
    ];
  });
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

export interface RoundFacts extends PlanFacts {
  /** What was tried and failed in this round, in order. */
  readonly tried: readonly Attempt[];
  /** Complete rounds so far. */
  readonly rounds: number;
  readonly backoffMs: number;
  readonly backoffMaxMs: number;
}

/** What is still to be tried, in order, and after which pause. */
interface Queue {
  readonly attempts: readonly PlannedAttempt[];
  /** Everything was tried: they begin a new round. */
  readonly newRound: boolean;
  readonly waitMs: number;
}

function queueOf(facts: RoundFacts): Queue {
  const planned = plannedAttempts(facts);
  const untried = planned.filter((attempt) => !facts.tried.some((past) => isSame(past, attempt)));
  const newRound = untried.length === 0;
  const attempts = planned.length === 0 ? callsForHelp(facts) : newRound ? planned : untried;
  const waitMs = newRound ? Math.min(facts.backoffMs * 2 ** Math.min(facts.rounds, 20), facts.backoffMaxMs) : 0;
  return { attempts, newRound, waitMs };
}

/** What comes after a failed attempt. */
export interface Upcoming extends Attempt {
  readonly newRound: boolean;
  /** How long after the failure. */
  readonly waitMs: number;
}

/** What is tried next of a fence that has failed; null: no coordinator is there who could. */
export function upcoming(facts: RoundFacts): Upcoming | null {
  const { attempts, newRound, waitMs } = queueOf(facts);
  const [first] = attempts;
  return first === undefined ? null : { level: first.level, by: first.by, newRound, waitMs };
}

export interface TurnFacts extends RoundFacts {
  readonly self: string;
  /** Own monotonic time since this observer first saw the record in this state. */
  readonly sinceSeenMs: number;
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
  const { attempts: queue, newRound, waitMs } = queueOf(facts);
  const [first] = queue;
  if (first === undefined) return { mine: null, newRound, because: 'nobody is there who could fence' };
  const own = queue.find((attempt) => attempt.by === facts.self);
  if (own === undefined)
    return { mine: null, newRound, because: 'this node has already tried everything in this round' };
  const before = new Set(queue.slice(0, queue.indexOf(own)).map((attempt) => attempt.by)).size;
  const isDue = facts.sinceSeenMs >= waitMs + before * facts.turnMs;
  if (plannedAttempts(facts).length === 0)
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
