/**
 * The table of one fence, from the verdict to the node's return. The record in the store carries the state; whoever
 * holds the record's lock may move it, so a fence survives its fencer.
 *
 * F1 (S4) only power readings of "off" after a power-off command, the end of an armed watchdog's bound (S1c) or an
 *    operator's confirmation leads to `fenced`; no exit code, no timeout, no silence of a BMC does. A confirmation leads there
 *    in one step, from wherever the fence has come to: an intent would be gone on with, by commands, if its taker died.
 * F2 Once a power-off command may have been sent (`touched` in the record, written before the first one) there is no way
 *    back within the attempt. Before that, and between attempts (`failed`), a node that publishes again cancels its fence
 *    (S3); so does another incarnation of it, and the node itself where no coordinator is left that could continue. An
 *    operator may cancel it then, too (core/fence-cancel.ts).
 * F3 Whatever happens after `fenced` (power on fails, the fencer dies) undoes nothing. A fencer that takes a fence over in
 *    `fenced` reads power again before it frees anything: the record may come from a restored copy of the store.
 */
import type { Table } from './machine.ts';

export const fenceStates = {
  none: 'no fence of this node is under way',
  intent: 'the verdict stands and is recorded; a power-off command may already have been sent',
  fenced: 'power was read as off and that is recorded; what the node held may be taken over',
  restoring: 'power on was ordered, so that the node can come back',
  finished: 'the fence is done; the node has not come back yet',
  closed: 'the node has come back as a new incarnation',
  failed: 'it could not be made sure yet that the node is off; nothing is recovered, and the next attempt follows',
  cancelled:
    'the node was found alive before a power-off command was sent, or between two attempts; nothing was recovered',
} as const;
export type FenceState = keyof typeof fenceStates;

export type FenceEvent =
  | 'verdict'
  | 'powerReadsOff'
  | 'watchdogCertain'
  | 'operatorConfirms'
  | 'passedOn'
  | 'heldBack'
  | 'fencerGone'
  | 'levelsExhausted'
  | 'retryDue'
  | 'aliveAgain'
  | 'orderPowerOn'
  | 'leaveOff'
  | 'powerReadsOn'
  | 'powerOnFailed'
  | 'rejoined'
  | 'powerTouched'
  | 'deviceSilent'
  | 'aliveUntouched'
  | 'anotherIncarnation'
  | 'readsOnAgain'
  | 'operatorCancels';

export type FenceAction = 'shoot' | 'announce' | 'free-what-it-held' | 'order-power-on' | 'raise-alarm';

const noFence = { ignored: 'no fence of this node is under way' } as const;
const already = { ignored: 'a fence of this node is already under way' } as const;
const begin = { to: 'intent', actions: ['shoot'] } as const;
const notTried = { ignored: 'no attempt is under way' } as const;
const isOff = { ignored: 'the node is recorded as fenced; a fence is not undone' } as const;
/** A word switches nothing: it needs no intent before it, and none that somebody else could go on with by commands. */
const word = { to: 'fenced', actions: ['announce', 'free-what-it-held'] } as const;
const shot = { impossible: 'power is only ordered on after the fence was recorded' } as const;

export const fenceTable: Table<FenceState, FenceEvent, FenceAction> = {
  none: {
    verdict: begin,
    powerReadsOff: noFence,
    watchdogCertain: noFence,
    operatorConfirms: word,
    passedOn: noFence,
    heldBack: noFence,
    fencerGone: noFence,
    levelsExhausted: noFence,
    retryDue: noFence,
    aliveAgain: noFence,
    orderPowerOn: shot,
    leaveOff: noFence,
    powerReadsOn: noFence,
    powerOnFailed: noFence,
    rejoined: noFence,
    powerTouched: noFence,
    deviceSilent: noFence,
    aliveUntouched: noFence,
    anotherIncarnation: noFence,
    readsOnAgain: noFence,
    operatorCancels: noFence,
  },
  intent: {
    verdict: already,
    powerReadsOff: { to: 'fenced', actions: ['announce', 'free-what-it-held'] },
    watchdogCertain: { to: 'fenced', actions: ['announce', 'free-what-it-held'] },
    operatorConfirms: word,
    passedOn: { to: 'failed', actions: [] },
    heldBack: { to: 'failed', actions: [] },
    fencerGone: { to: 'cancelled', actions: ['announce'] },
    levelsExhausted: { to: 'failed', actions: ['raise-alarm'] },
    retryDue: already,
    aliveAgain: { ignored: 'a power-off command may have been sent: the attempt goes on' },
    orderPowerOn: shot,
    leaveOff: { ignored: 'power does not read off yet' },
    powerReadsOn: { ignored: 'power does not read off yet' },
    powerOnFailed: shot,
    rejoined: { ignored: 'a node may not rejoin before its fence is finished' },
    powerTouched: { to: 'intent', actions: [] },
    deviceSilent: { to: 'intent', actions: [] },
    aliveUntouched: { to: 'cancelled', actions: ['announce'] },
    anotherIncarnation: { to: 'cancelled', actions: ['announce'] },
    readsOnAgain: { ignored: 'power does not read off yet' },
    operatorCancels: { to: 'cancelled', actions: ['announce'] },
  },
  fenced: {
    verdict: already,
    powerReadsOff: isOff,
    watchdogCertain: isOff,
    operatorConfirms: word,
    passedOn: isOff,
    heldBack: isOff,
    fencerGone: isOff,
    levelsExhausted: isOff,
    retryDue: isOff,
    aliveAgain: isOff,
    orderPowerOn: { to: 'restoring', actions: ['order-power-on'] },
    leaveOff: { to: 'finished', actions: [] },
    powerReadsOn: { to: 'finished', actions: [] },
    powerOnFailed: { to: 'finished', actions: ['raise-alarm'] },
    rejoined: { to: 'closed', actions: ['announce'] },
    powerTouched: isOff,
    deviceSilent: isOff,
    aliveUntouched: isOff,
    anotherIncarnation: { to: 'closed', actions: ['announce'] },
    readsOnAgain: { to: 'failed', actions: ['raise-alarm'] },
    operatorCancels: isOff,
  },
  restoring: {
    verdict: already,
    powerReadsOff: isOff,
    watchdogCertain: isOff,
    operatorConfirms: isOff,
    passedOn: isOff,
    heldBack: isOff,
    fencerGone: isOff,
    levelsExhausted: isOff,
    retryDue: isOff,
    aliveAgain: isOff,
    orderPowerOn: { ignored: 'power on was already ordered' },
    leaveOff: { to: 'finished', actions: [] },
    powerReadsOn: { to: 'finished', actions: ['announce'] },
    powerOnFailed: { to: 'finished', actions: ['raise-alarm'] },
    rejoined: { to: 'closed', actions: ['announce'] },
    powerTouched: isOff,
    deviceSilent: isOff,
    aliveUntouched: isOff,
    anotherIncarnation: { to: 'closed', actions: ['announce'] },
    readsOnAgain: { ignored: 'power on was already ordered' },
    operatorCancels: isOff,
  },
  finished: {
    verdict: begin,
    powerReadsOff: isOff,
    watchdogCertain: isOff,
    operatorConfirms: word,
    passedOn: isOff,
    heldBack: isOff,
    fencerGone: isOff,
    levelsExhausted: isOff,
    retryDue: isOff,
    aliveAgain: isOff,
    orderPowerOn: { ignored: 'the fence is finished; a person may power the node on' },
    leaveOff: { ignored: 'the fence is finished' },
    powerReadsOn: { ignored: 'the fence is finished' },
    powerOnFailed: { ignored: 'the fence is finished' },
    rejoined: { to: 'closed', actions: ['announce'] },
    powerTouched: isOff,
    deviceSilent: isOff,
    aliveUntouched: isOff,
    anotherIncarnation: { to: 'closed', actions: ['announce'] },
    readsOnAgain: { ignored: 'the fence is finished' },
    operatorCancels: isOff,
  },
  closed: {
    verdict: begin,
    powerReadsOff: noFence,
    watchdogCertain: noFence,
    operatorConfirms: word,
    passedOn: noFence,
    heldBack: noFence,
    fencerGone: noFence,
    levelsExhausted: noFence,
    retryDue: noFence,
    aliveAgain: noFence,
    orderPowerOn: noFence,
    leaveOff: noFence,
    powerReadsOn: noFence,
    powerOnFailed: noFence,
    rejoined: { ignored: 'the node has already rejoined' },
    powerTouched: noFence,
    deviceSilent: noFence,
    aliveUntouched: noFence,
    anotherIncarnation: { ignored: 'the node has already rejoined' },
    readsOnAgain: noFence,
    operatorCancels: noFence,
  },
  failed: {
    verdict: begin,
    powerReadsOff: { impossible: 'a fence goes on from failed only through a new intent' },
    watchdogCertain: { impossible: 'a fence goes on from failed only through a new intent' },
    operatorConfirms: word,
    passedOn: { ignored: 'no attempt is under way' },
    heldBack: { ignored: 'no attempt is under way' },
    fencerGone: { ignored: 'no attempt is under way' },
    levelsExhausted: { ignored: 'the attempt has already failed' },
    retryDue: begin,
    aliveAgain: { to: 'cancelled', actions: ['announce'] },
    orderPowerOn: shot,
    leaveOff: { ignored: 'power does not read off' },
    powerReadsOn: { ignored: 'power does not read off' },
    powerOnFailed: shot,
    rejoined: { to: 'cancelled', actions: ['announce'] },
    powerTouched: notTried,
    deviceSilent: notTried,
    aliveUntouched: notTried,
    anotherIncarnation: { to: 'cancelled', actions: ['announce'] },
    readsOnAgain: notTried,
    operatorCancels: { to: 'cancelled', actions: ['announce'] },
  },
  cancelled: {
    verdict: begin,
    powerReadsOff: noFence,
    watchdogCertain: noFence,
    operatorConfirms: word,
    passedOn: noFence,
    heldBack: noFence,
    fencerGone: noFence,
    levelsExhausted: noFence,
    retryDue: noFence,
    aliveAgain: noFence,
    orderPowerOn: shot,
    leaveOff: noFence,
    powerReadsOn: noFence,
    powerOnFailed: noFence,
    rejoined: noFence,
    powerTouched: noFence,
    deviceSilent: noFence,
    aliveUntouched: noFence,
    anotherIncarnation: noFence,
    readsOnAgain: noFence,
    operatorCancels: noFence,
  },
};

/** In these states somebody has to go on with the fence; in all others nothing is left to do. */
export function isUnderWay(state: FenceState): boolean {
  return state === 'intent' || state === 'fenced' || state === 'restoring' || state === 'failed';
}

/** The states in which the named incarnation is certainly off. */
export function isConfirmedOff(state: FenceState): boolean {
  return state === 'fenced' || state === 'restoring' || state === 'finished' || state === 'closed';
}

/** In these states a node may not start its duties: its fence may still fire, or has not been recorded yet. */
export function forbidsRejoin(state: FenceState): boolean {
  return state === 'intent';
}

export interface RestoreFacts {
  readonly action: 'off' | 'reboot';
  /** The level that made sure that it is off. */
  readonly level: string;
  /** How often the node was fenced within the last hour, this fence included. */
  readonly fencesInLastHour: number;
  readonly maxFencesPerHour: number;
  /** Why it is to be off just now (a maintenance, a clean stop), as a clause; null: no reason, or an operator asked for this very fence. */
  readonly keptOff: string | null;
}

/** After `fenced`: whether power is ordered on again, and why (loop guard: too many fences, it stays off). */
export function afterFenced(facts: RestoreFacts): { event: 'orderPowerOn' | 'leaveOff'; because: string } {
  if (facts.action === 'off' && facts.level === 'watchdog')
    return {
      event: 'leaveOff',
      because:
        'the action asked for is off, and only its own watchdog has ended what it held: whether its power is off is not known, and it may come back by itself',
    };
  if (facts.action === 'off') return { event: 'leaveOff', because: 'the action asked for is off: the node stays off' };
  if (facts.keptOff !== null) return { event: 'leaveOff', because: `${facts.keptOff}: it stays off` };
  if (facts.level === 'watchdog')
    return {
      event: 'leaveOff',
      because: 'its own watchdog has reset it, or it holds nothing any more: it comes back by itself',
    };
  if (facts.level === 'manual')
    return { event: 'leaveOff', because: 'a person has confirmed by hand that it is off, and will power it on' };
  if (facts.fencesInLastHour > facts.maxFencesPerHour) {
    return {
      event: 'leaveOff',
      because: `the node was fenced ${facts.fencesInLastHour} times within an hour (limit ${facts.maxFencesPerHour}): it stays off and waits for a person`,
    };
  }
  return { event: 'orderPowerOn', because: 'the action asked for is reboot' };
}
