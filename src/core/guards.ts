/**
 * Guards: what must all hold before a node is shot. Each is a named row with the sentence that is recorded and shown
 * when it holds the fence back (S3, S11). Evaluated when the verdict falls and once more right before the shot.
 */
import { inWords } from './decision.ts';
import type { PeerVerdict } from './detection.ts';

export interface GuardFacts {
  readonly self: string;
  readonly target: string;
  readonly fencingEnabled: boolean;
  readonly sessionLive: boolean;
  /** Age of the observer's last acknowledged write, counted from its sending; null: none yet. */
  readonly contactAgeMs: number | null;
  readonly contactMaxMs: number;
  /** By how much the observer's own loop is late. */
  readonly lateMs: number;
  readonly intervalMs: number;
  /** What is left of the quiet period after own start, or after the store was away. */
  readonly quietLeftMs: number;
  readonly steppedDown: boolean;
  readonly targetState: 'starting' | 'run' | 'shutdown' | 'stop' | 'unknown';
  readonly clusterMaintenance: string | null;
  readonly targetMaintenance: string | null;
  readonly nodesTotal: number;
  /** Nodes that are silent right now, the target included; not those in maintenance. */
  readonly silentNodes: readonly string[];
  /** From this many silent nodes on, nobody is fenced. */
  readonly maxUnhealthy: number;
  readonly fencesInFlight: readonly string[];
  readonly maxConcurrentFences: number;
  /** True when a person asked for this fence by name: the storm guard and maintenance are theirs to overrule. */
  readonly askedByOperator: boolean;
}

export interface Guard {
  readonly name: string;
  /** Null when the guard lets the fence pass; else the sentence that says why it holds. */
  readonly holds: (facts: GuardFacts) => string | null;
}

export const guards: readonly Guard[] = [
  {
    name: 'enabled',
    holds: (f) => (f.fencingEnabled || f.askedByOperator ? null : 'fencing is switched off in the configuration'),
  },
  { name: 'self', holds: (f) => (f.target === f.self ? 'a node never fences itself' : null) },
  { name: 'session', holds: (f) => (f.sessionLive ? null : 'the session with the store is not live') },
  {
    name: 'contact',
    holds: (f) =>
      f.contactAgeMs !== null && f.contactAgeMs <= f.contactMaxMs
        ? null
        : `the last acknowledged write is ${f.contactAgeMs === null ? 'missing' : `${inWords(f.contactAgeMs)} old`}; it may be at most ${inWords(f.contactMaxMs)} old`,
  },
  {
    name: 'pause',
    holds: (f) => (f.lateMs <= f.intervalMs ? null : `this node was itself paused (${inWords(f.lateMs)} late)`),
  },
  {
    name: 'quiet',
    holds: (f) =>
      f.quietLeftMs <= 0 || f.askedByOperator
        ? null
        : `the quiet period after a start, or after the store was away, lasts ${inWords(f.quietLeftMs)} more`,
  },
  {
    name: 'stepped-down',
    holds: (f) => (f.steppedDown ? 'this node is itself being fenced and has stepped down' : null),
  },
  {
    name: 'stopped',
    holds: (f) =>
      f.targetState === 'stop' && !f.askedByOperator
        ? 'the node stopped in good order; its silence means nothing'
        : null,
  },
  {
    name: 'cluster-maintenance',
    holds: (f) =>
      f.clusterMaintenance !== null && !f.askedByOperator
        ? `the cluster is in maintenance: ${f.clusterMaintenance}`
        : null,
  },
  {
    name: 'node-maintenance',
    holds: (f) =>
      f.targetMaintenance !== null && !f.askedByOperator ? `the node is in maintenance: ${f.targetMaintenance}` : null,
  },
  {
    name: 'storm',
    holds: (f) =>
      f.silentNodes.length < f.maxUnhealthy || f.askedByOperator
        ? null
        : `${f.silentNodes.length} of ${f.nodesTotal} nodes are silent together (${[...f.silentNodes].sort().join(', ')}): from ${f.maxUnhealthy} on the fault is sought elsewhere and nobody is fenced`,
  },
  {
    name: 'concurrency',
    holds: (f) => {
      const others = f.fencesInFlight.filter((name) => name !== f.target);
      return others.length < f.maxConcurrentFences
        ? null
        : `${others.length} fence(s) are under way (${others.join(', ')}); at most ${f.maxConcurrentFences} at once`;
    },
  },
];

export const guardNames: readonly string[] = guards.map(({ name }) => name);

export interface Refusal {
  readonly guard: string;
  readonly because: string;
}

/** All guards that hold the fence back; empty: it may go on. */
export function refusals(facts: GuardFacts): Refusal[] {
  return guards.flatMap((guard) => {
    const because = guard.holds(facts);
    return because === null ? [] : [{ guard: guard.name, because }];
  });
}

/** Guards that speak of the coordinator that asks them, or of this moment: another one, or the next look, may let it pass. */
const passingGuards: readonly string[] = [
  'self',
  'session',
  'contact',
  'pause',
  'quiet',
  'stepped-down',
  'concurrency',
];

/** Whether an operator's request is refused by this for all coordinators; else it is left to the others. */
export function isFinal({ guard }: Refusal): boolean {
  return !passingGuards.includes(guard);
}

/** Not a refusal in earnest: what was asked for has been done by another fence. */
export const alreadyFenced = 'already-fenced';

/** Why an operator's confirmation that a node is off is not taken (docs/states.md). */
export const confirmRefusals = {
  alive: 'the node publishes keepalives: it is not off',
  power: 'a device of the node reads on, and the confirmation does not say that the device is wrong',
  incarnation: 'the fence is about an earlier incarnation, and the node has come back since',
  'already-fenced':
    'the node is recorded as off already, by another confirmation for instance: nothing is left to confirm',
  self: 'a node cannot confirm that it is itself off; another coordinator answers',
  session: 'the coordinator has lost its session with the store; another one answers',
  'stepped-down': 'the coordinator is itself being fenced and has stepped down; another one answers',
} as const;

export interface WordFacts {
  readonly self: string;
  readonly target: string;
  readonly sessionLive: boolean;
  readonly steppedDown: boolean;
  /** Whether a keepalive of the node came while it was watched for longer than a beat. */
  readonly keepalivesGoOn: boolean;
  /** What its devices say together. */
  readonly power: 'on' | 'off' | 'unknown';
  readonly despiteReading: boolean;
}

/** Why an operator's word that a node is off is not taken; null: it is. A person may know more than a device, not more than the node. */
export function wordRefusal(facts: WordFacts): Refusal | null {
  const refuse = (guard: keyof typeof confirmRefusals, because: string) => ({ guard, because });
  if (facts.self === facts.target) return refuse('self', 'a node cannot confirm that it is itself off');
  if (facts.steppedDown) return refuse('stepped-down', 'this node is itself being fenced and has stepped down');
  if (!facts.sessionLive) return refuse('session', 'the session with the store is not live');
  if (facts.keepalivesGoOn) return refuse('alive', 'it publishes keepalives: it is not off');
  if (facts.power === 'on' && !facts.despiteReading)
    return refuse('power', 'its power reads on: fence it, or say --despite-reading if the device is known to be wrong');
  return null;
}

/** What one observer sees of a peer, as far as the storm guard counts it. */
export interface SeenSilence {
  readonly verdict: PeerVerdict;
  readonly throws: number;
  /** Its power reads off, or this incarnation is recorded as fenced: its silence is no sign of a fault elsewhere. */
  readonly isOff: boolean;
}

/** Who is silent together in the eyes of one observer (storm guard): half of the saving throws failed, for no known reason. */
export function silentTogether(views: Iterable<readonly [string, SeenSilence]>, savingThrows: number): string[] {
  const isCounted = ({ verdict, throws, isOff }: SeenSilence) =>
    (verdict === 'silent' || verdict === 'dead') && throws >= Math.ceil(savingThrows / 2) && !isOff;
  return [...views].filter(([, seen]) => isCounted(seen)).map(([name]) => name);
}

/**
 * Of those who are silent together the ones whose silence may tell of a fault elsewhere: not who is in a maintenance that somebody declared.
 * That reason is known. A maintenance that cannot be read is none here: who counts holds fences back.
 */
export function withoutMaintenance(silent: readonly string[], declared: ReadonlySet<string>): string[] {
  return silent.filter((name) => !declared.has(name));
}

/** What an observer that gives verdicts now has published. */
export interface ObserverViews {
  readonly name: string;
  readonly views: ReadonlyMap<string, SeenSilence>;
}

/**
 * Who is silent together when the verdict on `target` falls, as the observer counts that would be the first to pass its storm guard.
 * An observer that does not count a peer now (`unknown`: its quiet period lasts) will count as the others do.
 */
export function silentForAny(
  target: string,
  observers: readonly ObserverViews[],
  savingThrows: number,
  declared: ReadonlySet<string>,
): string[] {
  const counts = observers.map(({ views }) => ({ views, silent: silentTogether(views, savingThrows) }));
  const sets = counts.map(({ views, silent }) => {
    const others = counts
      .flatMap((other) => other.silent)
      .filter((name) => name !== target && views.get(name)?.verdict === 'unknown');
    const own = views.get(target)?.isOff === true ? [] : [target];
    return withoutMaintenance([...new Set([...silent, ...others, ...own])].sort(), declared);
  });
  return sets.sort((a, b) => a.length - b.length)[0] ?? withoutMaintenance([target], declared);
}

/** The number of silent nodes from which the storm guard holds: half of them or more, but never a single one. */
export function maxUnhealthyDefault(nodesTotal: number): number {
  return Math.max(2, Math.ceil(nodesTotal / 2));
}
