/** The real clock. Suspend is seen as the difference between boot time (/proc/uptime) and the monotonic clock. */
import { openSync, readSync } from 'node:fs';
import type { Clock } from '../environment/clock.ts';

/** CLOCK_MONOTONIC itself, so that two processes of one machine mean the same by it (the lease of nodectl primary run). */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

export function realClock(): Clock {
  const bootMinusMonotonicMs = uptimeMs() - monotonicMs();
  return {
    monotonicMs,
    wallMs: () => Date.now(),
    suspendedMs() {
      const ms = uptimeMs() - monotonicMs() - bootMinusMonotonicMs;
      return ms < 100 ? 0 : ms; // /proc/uptime counts in hundredths
    },
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted === true) {
          resolve();
          return;
        }
        const wake = () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', wake);
          resolve();
        };
        const timer = setTimeout(wake, Math.max(0, ms));
        signal?.addEventListener('abort', wake);
      }),
  };
}

/** Opened once and kept: with every descriptor of the process used up (EMFILE) the keepalive goes on. */
let uptimeFile: number | null = null;
const uptimeBytes = Buffer.alloc(64);

function uptimeMs(): number {
  uptimeFile ??= openSync('/proc/uptime', 'r');
  const length = readSync(uptimeFile, uptimeBytes, 0, uptimeBytes.length, 0);
  return Number(uptimeBytes.toString('latin1', 0, length).split(' ')[0]) * 1000;
}
