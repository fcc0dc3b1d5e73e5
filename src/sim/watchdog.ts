/** A watchdog in the simulator: it lives with its machine's power, not with the process that feeds it. */
import type { Watchdog } from '../environment/watchdog.ts';
import type { VirtualTime } from './clock.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';

export interface SimWatchdogOptions {
  readonly machine: SimMachine;
  readonly process: SimProcess;
  readonly time: VirtualTime;
  readonly timeoutMs: number;
  /** False: there is no device. */
  readonly exists: () => boolean;
  readonly onReset: () => void;
}

export function simWatchdog(options: SimWatchdogOptions): Watchdog {
  const { machine, process, time, timeoutMs } = options;
  const feed = () => {
    if (!process.alive || machine.watchdogFedMs === null) return;
    machine.watchdogFedMs = time.nowMs;
    const fedMs = time.nowMs;
    machine.later(timeoutMs, () => {
      if (machine.watchdogFedMs !== fedMs) return;
      machine.watchdogFedMs = null;
      options.onReset();
      machine.reset();
    });
  };
  return {
    arm() {
      if (!options.exists()) return Promise.resolve({ armed: false, because: 'there is no watchdog device' });
      machine.watchdogFedMs = time.nowMs;
      feed();
      return Promise.resolve({ armed: true, timeoutMs });
    },
    feed,
    disarm() {
      machine.watchdogFedMs = null;
      return Promise.resolve(null);
    },
  };
}
