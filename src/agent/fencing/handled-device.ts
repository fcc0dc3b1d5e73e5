/** One device in one attempt of a power level (power-level.ts): what was read of it and asked of it, and what follows from a reading. */
import { inWords } from '../../core/decision.ts';
import type { DevicePlace, DeviceStanding } from '../../core/device-trust.ts';
import { nextLevelStep } from '../../core/levels.ts';
import type { DeviceStep } from '../../core/levels.ts';
import type { BmcFault } from '../../core/verification.ts';
import type { PowerReading } from '../../environment/power.ts';
import type { FenceDevice } from '../../records/device.ts';
import type { Context } from '../context.ts';
import type { Suspects, TimedReading } from './before-command.ts';
import type { FenceFile } from './fence-file.ts';
import { askWhose } from './whose.ts';

/** What was done to one device in this attempt. */
export interface Handled {
  readonly device: FenceDevice;
  readonly place: DevicePlace;
  standing: DeviceStanding;
  requests: number;
  /** How many of them the device answered, taken or refused; the others are faults that a verification sees. */
  answered: number;
  requestedAtMs: number;
  /** When a command was answered as taken, or refused in the words of a device whose power is off already; null: none was. */
  takenAtMs: number | null;
  /** When the first of the readings of off ended that no other reading followed. */
  offSinceMs: number | null;
  readOn: boolean;
  /** It did not answer at all, and has not read on since. */
  didNotAnswer: boolean;
  lastReading: PowerReading['power'];
  lastFault: string;
  /** It has to say whose it is; a fence agent's device, and one that an operator calls right, has not to. */
  readonly isAsked: boolean;
  /** To how many questions in a row, whose it is, it gave no answer; 0: it has answered in this pass. */
  unidentified: number;
}

/** A device that says what its power is, but not whose it is, is used after so many questions; one that says neither is not. */
const questionsMax = 2;

/** `isAsked`: a BMC has to say whose it is. */
export function notHandledYet(
  device: FenceDevice,
  place: DevicePlace,
  standing: DeviceStanding,
  isAsked: boolean,
): Handled {
  return {
    device,
    place,
    standing,
    requests: 0,
    answered: 0,
    requestedAtMs: 0,
    takenAtMs: null,
    offSinceMs: null,
    readOn: false,
    didNotAnswer: false,
    lastReading: 'unknown',
    lastFault: '',
    isAsked: isAsked && device.kind === 'ipmi',
    unidentified: 0,
  };
}

/**
 * Whether it is known in this pass whose device this is, as far as it tells that at all. One that does not answer anything is not ordered
 * either, be it silent, late, or closed to our password: what answers there in the next moment may be another machine's.
 */
export function isIdentified({ isAsked, unidentified, lastReading }: Handled): boolean {
  if (!isAsked || unidentified === 0) return true;
  return lastReading !== 'unknown' && unidentified >= questionsMax;
}

/**
 * Asks a BMC, beside each reading, whose it is. What it says now counts, not what it said when it was verified, or before: its address may
 * lead to another machine since (a swapped cable, a lease of DHCP). Why it is not the target's own; null: nothing says so.
 */
export async function identify(context: Context, target: string, one: Handled): Promise<string | null> {
  if (!one.isAsked) return null;
  const { foreign, fault } = await askWhose(context, target, one.device);
  one.unidentified = fault === null ? 0 : one.unidentified + 1;
  return foreign;
}

/** Enters a reading, and says what follows of it for its device. */
export function nextStep(
  context: Context,
  one: Handled,
  reading: TimedReading,
  { startMs, deadlineMs }: { readonly startMs: number; readonly deadlineMs: number },
): DeviceStep['next'] {
  const { env, config, devices } = context;
  const nowMs = env.clock.monotonicMs();
  const offForMs = one.offSinceMs === null ? null : reading.begunMs - one.offSinceMs;
  one.lastReading = reading.power;
  if (reading.power === 'on') one.readOn = true;
  if (reading.fault === 'no-answer') one.didNotAnswer = true;
  else if (reading.power === 'on') one.didNotAnswer = false;
  one.offSinceMs = reading.power === 'off' ? (one.offSinceMs ?? nowMs) : null;
  return nextLevelStep({
    reading: reading.power,
    readingBecause: reading.because,
    requests: one.requests,
    requestsMax: 1 + one.device.retries,
    taken: one.takenAtMs !== null,
    readAfterTaken: one.takenAtMs !== null && reading.begunMs >= one.takenAtMs,
    offForMs,
    sinceRequestMs: nowMs - one.requestedAtMs,
    elapsedMs: nowMs - startMs,
    deadlineMs,
    repeatRequestMs: config.fencing.repeatOrder,
    offDoubt: offDoubt(one, devices.unsettledBecause(one.device)),
  });
}

/** Places of those that may have restarted, for whoever goes on with this fence: what did not answer, and what refused an order. */
export function suspectsOf({ devices }: Context, handled: readonly Handled[]): Suspects {
  const places = (which: readonly Handled[]) => which.map(({ place }) => place.where);
  return {
    unanswered: places(handled.filter((one) => one.didNotAnswer || devices.isSilent(one.device))),
    refused: places(handled.filter(({ device }) => devices.hasRefused(device))),
  };
}

/** Why off is not believed of it now, whatever it reads; null: it is. `unsettled`: why it may have just restarted. */
export function offDoubt({ readOn, standing }: Handled, unsettled: string | null): string | null {
  if (unsettled !== null) return unsettled;
  if (!standing.needsOn || readOn) return null;
  return standing.because === ''
    ? 'this device never read on while the node lived (is it the device of another machine?)'
    : `${standing.because}: it must read on first`;
}

export function noteFault(one: Handled, reading: PowerReading, several: boolean, file: FenceFile): void {
  if (reading.power !== 'unknown' || reading.because === one.lastFault) return;
  one.lastFault = reading.because;
  file.note('power not readable', several ? `${one.device.name}: ${reading.because}` : reading.because);
}

export async function orderOff(context: Context, one: Handled, several: boolean, file: FenceFile): Promise<void> {
  const { env } = context;
  const wasOff = one.lastReading === 'off';
  one.requests += 1;
  one.requestedAtMs = env.clock.monotonicMs();
  const answer = await env.power.order(one.device, 'off', one.device.commandTimeoutMs);
  const isRefused = answer.isOffAlready || answer.fault === 'refused-now';
  // In the words of a machine that is off for good, and in those of a device that has just restarted: they are the same (S4).
  if (isRefused) context.devices.refused(one.device);
  else context.devices.heard(one.device, answer.fault, 'unknown');
  if (answer.fault === 'no-answer') one.didNotAnswer = true;
  if (!isSeenBeforehand(answer.fault)) one.answered += 1;
  if (answer.accepted || (answer.isOffAlready && wasOff)) one.takenAtMs ??= env.clock.monotonicMs();
  const because = `${answer.because} (${inWords(answer.tookMs)})`;
  file.note(
    answer.accepted ? 'power off ordered' : 'power off not taken',
    several ? `${one.device.name}: ${because}` : because,
  );
}

/** Faults on the way to the command, which a verification meets too, or of a device that is starting: they say nothing of whether it obeys. */
export function isSeenBeforehand(fault: BmcFault | null): boolean {
  return (
    fault !== null &&
    [
      'no-answer',
      'cipher-refused',
      'wrong-credentials',
      'no-session',
      'timeout',
      'tool-missing',
      'refused-now',
    ].includes(fault)
  );
}
