/**
 * The fence levels, and one attempt of one power level, step by step: read -> request off -> poll until it reads off
 * twice or the deadline is over. Never `cycle`, never `reset` (they answer before, or without, power going away; RH KB
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

/** A node that shall be off is not switched off by its own watchdog: whatever reads power comes first then. */
export function levelsFor(action: 'off' | 'reboot', levels: readonly (readonly string[])[]): string[] {
  const triable = triableLevels(levels);
  if (action === 'reboot') return triable;
  return [...triable.filter((name) => name !== 'watchdog'), ...triable.filter((name) => name === 'watchdog')];
}

/** "level ipmi by node1". */
export function attemptInWords({ level, by }: Attempt): string {
  return `level ${level} by ${by}`;
}

/** Between the first and the last reading of off lies at least this (S4). */
export const offApartMs = 250;

export interface LevelFacts {
  readonly reading: 'on' | 'off' | 'unknown';
  readonly readingBecause: string;
  /** How often off was requested in this attempt, and how often at most. */
  readonly requests: number;
  readonly requestsMax: number;
  /** Whether the device took a power-off command of this attempt, or refused it because power is off already. */
  readonly taken: boolean;
  /** Whether this reading was begun after that command was answered. */
  readonly readAfterTaken: boolean;
  /** From the end of the first reading of off to the beginning of this one, no other reading between; null: this is the first. */
  readonly offForMs: number | null;
  readonly sinceRequestMs: number;
  readonly elapsedMs: number;
  readonly deadlineMs: number;
  /** A BMC may drop the second command that comes right after the first: an order is repeated only after this long. */
  readonly repeatRequestMs: number;
  /** Why off is not believed of this device, whatever it reads; null: it is. */
  readonly offDoubt: string | null;
}

export type LevelStep =
  | { readonly step: 'confirm'; readonly because: string }
  | { readonly step: 'request-off' }
  | { readonly step: 'read-again' }
  | { readonly step: 'give-up'; readonly because: string };

/**
 * What to do after a reading (S4). A command is always sent, also when power reads off already; off counts only when a command
 * was taken and it was read as off twice, the last time after the command. `unknown` never confirms; it only costs time.
 */
export function nextLevelStep(facts: LevelFacts): LevelStep {
  const isOff = facts.reading === 'off';
  const isOffTwice = facts.offForMs !== null && facts.offForMs >= offApartMs;
  if (isOff && facts.taken && facts.readAfterTaken && isOffTwice && facts.offDoubt === null)
    return { step: 'confirm', because: 'power reads off after the command, twice' };
  if (facts.elapsedMs >= facts.deadlineMs) return { step: 'give-up', because: whyNotOff(facts) };
  if (facts.requests === 0) return { step: 'request-off' };
  if (facts.requests >= facts.requestsMax || facts.sinceRequestMs < facts.repeatRequestMs)
    return { step: 'read-again' };
  return isOff && facts.taken ? { step: 'read-again' } : { step: 'request-off' };
}

function whyNotOff({ reading, requests, taken, offDoubt, readingBecause }: LevelFacts): string {
  if (reading === 'unknown') return `power could not be read: ${readingBecause}`;
  if (reading === 'on') return `power still reads on after ${requests} power-off command${requests === 1 ? '' : 's'}`;
  if (offDoubt !== null) return `power reads off, which is not believed: ${offDoubt}`;
  return taken
    ? 'power read off only once'
    : `power reads off, but the device took no power-off command (${requests} sent)`;
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
 * S4: a device that reads off while the node's keepalives continue reports a wrong state.
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
): { answer: 'credible' | 'wrong-state' | 'look-again'; because: string } {
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
    answer: 'wrong-state',
    because: 'its device reports power off, but keepalives of the node continue: the device is distrusted',
  };
}

function same(a: LifeSign, b: LifeSign): boolean {
  return a.incarnation === b.incarnation && a.sequence === b.sequence;
}
