/**
 * The fence levels, and one attempt of one power level, step by step: read -> (off already? done) -> request off -> poll until it reads off
 * or the deadline is over. Never `cycle`, never `reset` (they answer before, or without, power going away; RH KB
 * 1990513). Several devices in one level (two power supplies) must all read off in the same pass. The loop that walks
 * these steps is agent/fencing/power-level.ts.
 */
import type { Attempt } from './fencers.ts';

/** Names in a list of levels that stand for something else than a device of `fencing.devices`. */
export const fenceLevelWords = ['ipmi', 'watchdog', 'manual'] as const;

/** A level as it is called in records and told to people: its devices, joined. */
export function levelName(devices: readonly string[]): string {
  return devices.join('+');
}

/** Levels at which somebody can try something; `manual` waits for a person. */
export function triableLevels(levels: readonly (readonly string[])[]): string[] {
  return levels.map(levelName).filter((name) => name !== 'manual');
}

/** "level ipmi by node1". */
export function attemptInWords({ level, by }: Attempt): string {
  return `level ${level} by ${by}`;
}

export interface LevelFacts {
  readonly reading: 'on' | 'off' | 'unknown';
  readonly readingBecause: string;
  /** How often off was requested in this attempt, and how often at most. */
  readonly requests: number;
  readonly requestsMax: number;
  readonly sinceRequestMs: number;
  readonly elapsedMs: number;
  readonly deadlineMs: number;
  /** A BMC may drop the second command that comes right after the first: an order is repeated only after this long. */
  readonly repeatRequestMs: number;
  /** Whether the device ever read on while the node lived: beforehand (5.5), or in this attempt. */
  readonly seenOn: boolean;
}

export type LevelStep =
  | { readonly step: 'confirm'; readonly because: string }
  | { readonly step: 'request-off' }
  | { readonly step: 'read-again' }
  | { readonly step: 'give-up'; readonly because: string };

/** What to do after a reading. `unknown` never confirms (S4); it only costs time. */
export function nextLevelStep(facts: LevelFacts): LevelStep {
  if (facts.reading === 'off' && facts.seenOn) {
    return {
      step: 'confirm',
      because: facts.requests === 0 ? 'power already read off' : 'power read off after it was ordered off',
    };
  }
  if (facts.elapsedMs >= facts.deadlineMs) {
    return {
      step: 'give-up',
      because:
        facts.reading === 'off'
          ? 'power reads off, but this device never read on while the node lived: it is not believed (is it the device of another machine?)'
          : facts.reading === 'on'
            ? `power still reads on after ${facts.requests} order(s) to go off`
            : `power could not be read: ${facts.readingBecause}`,
    };
  }
  if (facts.requests >= facts.requestsMax) return { step: 'read-again' };
  if (facts.requests === 0 || facts.sinceRequestMs >= facts.repeatRequestMs) return { step: 'request-off' };
  return { step: 'read-again' };
}

/** One device of a level, and its next step. */
export interface DeviceStep {
  readonly device: string;
  readonly next: LevelStep;
}

/** What a level with these devices does next: it is off only when every one reads off in the same pass (S4). */
export function levelOutcome(steps: readonly DeviceStep[]): LevelStep {
  const quoted = (step: DeviceStep & { readonly next: { readonly because: string } }) =>
    steps.length === 1 ? step.next.because : `${step.device}: ${step.next.because}`;
  const over = steps.flatMap(({ device, next }) => (next.step === 'give-up' ? [quoted({ device, next })] : []));
  if (over.length > 0) return { step: 'give-up', because: over.join('; ') };
  const off = steps.flatMap(({ device, next }) => (next.step === 'confirm' ? [quoted({ device, next })] : []));
  if (off.length === steps.length) return { step: 'confirm', because: off.join('; ') };
  return steps.some(({ next }) => next.step === 'request-off') ? { step: 'request-off' } : { step: 'read-again' };
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
