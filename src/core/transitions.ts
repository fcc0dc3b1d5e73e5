/** The ring of role transitions that `election debug` prints, and the search for loops in it. */
import { inWords } from './decision.ts';

export interface Transition {
  readonly wallMs: number;
  readonly monotonicMs: number;
  readonly epoch: number;
  readonly from: string;
  readonly event: string;
  readonly to: string;
  readonly because: string;
}

/** How many transitions a node keeps, over restarts too. */
export const transitionsMax = 128;
/** So many times the same cycle in a row is a loop. */
const loopsMin = 3;
const windowMs = 10 * 60_000;

export function withTransition(ring: readonly Transition[], next: Transition): Transition[] {
  return [...ring, next].slice(-transitionsMax);
}

/** `STATE:EVENT:STATE`, as operators of other stores know it. */
export function printTransition({ from, event, to }: Transition): string {
  return `${from}:${event}:${to}`;
}

/**
 * The shortest cycle of moves that the newest transitions repeat at least three times within ten minutes; null: none.
 * Moves only: what was ignored is no step of a cycle. A role that is handed to and fro in good order is no loop.
 */
export function findLoop(ring: readonly Transition[]): { readonly cycle: string[]; readonly times: number } | null {
  const newest = ring.at(-1);
  if (newest === undefined) return null;
  const moves = ring
    .filter((one) => one.from !== one.to && newest.wallMs - one.wallMs <= windowMs)
    .map(printTransition);
  for (let length = 2; length * loopsMin <= moves.length; length += 1) {
    const cycle = moves.slice(-length);
    if (!cycle.some((step) => /:(lost|startFailed|stopFailed):/.test(step))) continue;
    let times = 1;
    while (cycle.every((step, index) => moves[moves.length - (times + 1) * length + index] === step)) times += 1;
    if (times >= loopsMin) return { cycle, times };
  }
  return null;
}

/** A name for a cycle that does not depend on where in it one stands. */
export function nameOfCycle(cycle: readonly string[]): string {
  const rotations = cycle.map((_, at) => [...cycle.slice(at), ...cycle.slice(0, at)].join(' '));
  return rotations.sort()[0] ?? '';
}

/** How long a node whose role goes round in a loop stays out before it stands again: it doubles with each round. */
export function loopPauseMs(times: number): number {
  return Math.min(60_000, 1000 * 2 ** Math.max(0, times - loopsMin));
}

/** What to do about a loop, in words. */
export function loopAdvice(loop: { readonly cycle: readonly string[]; readonly times: number }): string {
  const failing = loop.cycle.find((step) => step.includes('startFailed')) !== undefined;
  const lost = loop.cycle.find((step) => step.includes(':lost:')) !== undefined;
  const cause = failing
    ? 'the resources cannot be started here: see the newest "startFailed" for the one that fails, mend it, or keep this node out (nodectl maintenance on)'
    : lost
      ? 'the role is lost again and again: look at the connection between this node and ZooKeeper, and at its load'
      : 'the resources cannot be stopped here: see the newest "stopFailed" for the one that fails';
  return `the same ${loop.cycle.length} transitions were made ${loop.times} times in a row within ${inWords(windowMs)}: ${cause}; "nodectl election leave" makes every node stand anew`;
}
