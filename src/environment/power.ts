/**
 * Power of other machines. Promises (test/compliance/power.test.ts):
 *   POWER1 a reading of `off` is said only when the device itself answered "off";
 *   POWER2 every call ends within its deadline plus a second, with its whole process group gone (S7);
 *   POWER3 an order's answer proves nothing (S4): only a later reading does;
 *   POWER4 no secret is ever seen on a command line, in an error or in a log (S10);
 *   POWER5 probe, read and identify never change power;
 *   POWER6 a probe that is called off sends no further command: its answer is worth nothing then.
 */
import type { BmcFault, BmcProbe } from '../core/verification.ts';
import type { FenceDevice } from '../records/device.ts';

export interface PowerReading {
  readonly power: 'on' | 'off' | 'unknown';
  readonly fault: BmcFault | null;
  readonly because: string;
  readonly tookMs: number;
}

export interface PowerAnswer {
  /** Whether the device said that it took the order. Proves nothing. */
  readonly accepted: boolean;
  /** `off` only: the device refused it in the words that many use when power is off already. */
  readonly isOffAlready: boolean;
  readonly fault: BmcFault | null;
  readonly because: string;
  readonly tookMs: number;
}

/** Whose machine a device switches, as the device says itself. */
export interface PowerIdentity {
  /** System GUID that a BMC tells; null: it tells none, or it did not answer. A fence agent's device is never asked. */
  readonly guid: string | null;
  /** Null: it answered, if only that it does not know. */
  readonly fault: BmcFault | null;
}

export interface Power {
  read(device: FenceDevice, deadlineMs: number): Promise<PowerReading>;
  order(device: FenceDevice, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer>;
  /** One command, so that it can be asked before each fence; changes nothing (POWER5). */
  identify(device: FenceDevice, deadlineMs: number): Promise<PowerIdentity>;
  /** `isCalledOff` is asked between the commands of the probe; default: never. */
  probe(device: FenceDevice, deadlineMs: number, isCalledOff?: () => boolean): Promise<BmcProbe>;
}
