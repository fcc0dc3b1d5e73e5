/**
 * Power of other machines. Promises (test/compliance/power.test.ts):
 *   POWER1 a reading of `off` is said only when the device itself answered "off";
 *   POWER2 every call ends within its deadline plus a second, with its whole process group gone (S7);
 *   POWER3 an order's answer proves nothing (S4): only a later reading does;
 *   POWER4 no secret is ever seen on a command line, in an error or in a log (S10);
 *   POWER5 probe and read never change power;
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
  readonly fault: BmcFault | null;
  readonly because: string;
  readonly tookMs: number;
}

export interface Power {
  read(device: FenceDevice, deadlineMs: number): Promise<PowerReading>;
  order(device: FenceDevice, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer>;
  /** `isCalledOff` is asked between the commands of the probe; default: never. */
  probe(device: FenceDevice, deadlineMs: number, isCalledOff?: () => boolean): Promise<BmcProbe>;
}
