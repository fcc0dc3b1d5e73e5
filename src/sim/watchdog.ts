/** A watchdog in the simulator: it lives with its machine's power, not with the process that feeds it. */
import type { Watchdog } from '../environment/watchdog.ts';
import type { VirtualTime } from './clock.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';

/** What its hardware is like, if it is not well made. */
export interface WatchdogKind {
  /** It counts this, whatever was asked for. */
  readonly countsMs?: number;
  /** It stands still while the machine sleeps (softdog). */
  readonly standsStill?: boolean;
}

export interface SimWatchdogOptions {
  readonly machine: SimMachine;
  readonly process: SimProcess;
  readonly time: VirtualTime;
  readonly timeoutMs: number;
  /** False: there is no device. */
  readonly exists: () => boolean;
  readonly kind?: () => WatchdogKind;
  readonly onReset: () => void;
}

export function simWatchdog(options: SimWatchdogOptions): Watchdog {
  const { machine, process, time } = options;
  const kind = options.kind?.() ?? {};
  const timeoutMs = kind.countsMs ?? options.timeoutMs;
  const standsStill = kind.standsStill === true;
  const sleptMs = () => (standsStill ? (machine.process?.sleptUntilNowMs() ?? 0) : 0);
  /** Due after `leftMs` of the time that it counts. */
  const count = (fedMs: number, leftMs: number) => {
    const sleptBeforeMs = sleptMs();
    machine.later(leftMs, () => {
      if (machine.watchdogFedMs !== fedMs) return;
      const stoodMs = Math.max(0, sleptMs() - sleptBeforeMs);
      if (stoodMs > 0) {
        count(fedMs, stoodMs);
        return;
      }
      machine.watchdogFedMs = null;
      options.onReset();
      machine.reset();
    });
  };
  const feed = () => {
    if (!process.alive || machine.watchdogFedMs === null) return;
    machine.watchdogFedMs = time.nowMs;
    count(time.nowMs, timeoutMs);
  };
  return {
    arm() {
      if (!options.exists()) return Promise.resolve({ armed: false, because: 'there is no watchdog device' });
      machine.watchdogFedMs = time.nowMs;
      feed();
      const because = standsStill
        ? 'softdog stands still while the machine sleeps'
        : 'it counts while the machine sleeps';
      return Promise.resolve({ armed: true, timeoutMs, sleep: { covered: !standsStill, because } });
    },
    feed,
    disarm() {
      machine.watchdogFedMs = null;
      return Promise.resolve(null);
    },
  };
}
