/**
 * One attempt of one power level, step by step: read -> (off already? done) -> request off -> poll until it reads off
 * or the deadline is over. Never `cycle`, never `reset` (they answer before, or without, power going away; RH KB
 * 1990513). The loop that walks these steps is agent/fencing/fencing.ts.
 */
export interface LevelFacts {
  readonly reading: 'on' | 'off' | 'unknown';
  readonly readingBecause: string;
  /** How often off was requested in this attempt. */
  readonly requests: number;
  readonly sinceRequestMs: number;
  readonly elapsedMs: number;
  readonly deadlineMs: number;
  /** A BMC may drop the second command that comes right after the first: an order is repeated only after this long. */
  readonly repeatRequestMs: number;
}

export type LevelStep =
  | { readonly step: 'confirm'; readonly because: string }
  | { readonly step: 'request-off' }
  | { readonly step: 'read-again' }
  | { readonly step: 'give-up'; readonly because: string };

/** What to do after a reading. `unknown` never confirms (S4); it only costs time. */
export function nextLevelStep(facts: LevelFacts): LevelStep {
  if (facts.reading === 'off') {
    return {
      step: 'confirm',
      because: facts.requests === 0 ? 'power already read off' : 'power read off after it was ordered off',
    };
  }
  if (facts.elapsedMs >= facts.deadlineMs) {
    return {
      step: 'give-up',
      because:
        facts.reading === 'on'
          ? `power still reads on after ${facts.requests} order(s) to go off`
          : `power could not be read: ${facts.readingBecause}`,
    };
  }
  if (facts.requests === 0 || facts.sinceRequestMs >= facts.repeatRequestMs) return { step: 'request-off' };
  return { step: 'read-again' };
}

/** What a node's keepalive said when the intent was written, and what it says after power read off. */
export interface LifeSign {
  readonly incarnation: string | null;
  readonly sequence: number | null;
}

/**
 * S4: a BMC that says off while the node's keepalives go on is lying.
 *
 * `first` was read right after the power reading, `second` at least one and a half of the node's beats later (null: not
 * looked a second time yet). A node that was silent for its whole detection time before the intent needs no second look;
 * one that an operator condemned while it lived does: its next beat may simply not have been due yet.
 */
export function offIsCredible(
  wasSilent: boolean,
  atIntent: LifeSign,
  first: LifeSign,
  second: LifeSign | null,
): { answer: 'credible' | 'lying' | 'look-again'; because: string } {
  if (wasSilent && same(atIntent, first)) {
    return { answer: 'credible', because: 'no keepalive came since the intent was written' };
  }
  if (second === null) {
    return {
      answer: 'look-again',
      because: 'the node lived until a moment ago; its keepalives are watched for one more beat',
    };
  }
  if (same(first, second)) {
    return { answer: 'credible', because: 'no keepalive came since power reads off' };
  }
  return {
    answer: 'lying',
    because: 'the BMC says that power is off, but keepalives of the node go on: the BMC is not believed',
  };
}

function same(a: LifeSign, b: LifeSign): boolean {
  return a.incarnation === b.incarnation && a.sequence === b.sequence;
}
