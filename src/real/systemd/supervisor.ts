/**
 * systemd's notify protocol by `systemd-notify` (NotifyAccess=all): a Unix datagram socket needs a native module
 * otherwise. Fire and forget (SUPERVISOR1); the watchdog is fed at most as often as it asks for.
 *
 * A stop may take longer than TimeoutStopSec= (VMs that migrate away): each sign of life asks systemd for more time, until
 * noded's own deadline. Without a further sign of life systemd kills when the time that was asked for last is over.
 */
import type { Supervisor } from '../../environment/supervisor.ts';
import { inWords } from '../../core/decision.ts';
import { run } from '../process/runner.ts';

/** How much more time a sign of life asks for while noded stops: two keepalive intervals of the longest kind (60 s), and more. */
const extensionMs = 150_000;

/** A machine under load may need seconds to start a program. */
const notifyMs = 5000;
/** What is said only once is said again when it came to no end: systemd would wait for it for ever. */
const triesOnce = 12;

export interface SystemdSupervisor extends Supervisor {
  /** The configuration is being read anew. */
  reloading(): void;
  /** That is over, whatever came of it. */
  reloaded(): void;
}

interface Stop {
  readonly status: string;
  /** On the monotonic clock: noded's own deadline. */
  readonly endMs: number;
}

/** Nothing is done when we were not started by systemd. */
export function systemdSupervisor(): SystemdSupervisor {
  const socket = process.env['NOTIFY_SOCKET'];
  const watchdogMs = Number(process.env['WATCHDOG_USEC'] ?? 0) / 1000;
  if (socket === undefined) {
    const nothing = () => undefined;
    return { ready: nothing, alive: nothing, stopping: nothing, reloading: nothing, reloaded: nothing };
  }
  let lastFedMs = -Infinity;
  let stop: Stop | null = null;
  let isReady = false;
  let sent = Promise.resolve();
  // One after another: two programs at once could arrive in the wrong order.
  const notify = (tries: number, ...words: string[]) => {
    sent = sent.then(async () => {
      for (let left = tries; left > 0; left -= 1) {
        const told = await run('systemd-notify', [`--pid=${process.pid}`, ...words], {
          deadlineMs: notifyMs,
          env: { NOTIFY_SOCKET: socket },
        });
        if (told.kind !== 'timed-out') return;
      }
    });
  };
  // What is said again is said as it was: at the most it asks for as much too long as the program needed.
  const askForTime = ({ status, endMs }: Stop, tries: number, ...words: readonly string[]) => {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0) return;
    const usec = Math.round(Math.min(extensionMs, leftMs) * 1000);
    notify(tries, ...words, `--status=${status}; it may take ${inWords(leftMs)} more`, `EXTEND_TIMEOUT_USEC=${usec}`);
  };
  return {
    ready(status) {
      isReady = true;
      notify(triesOnce, '--ready', `--status=${status}`);
    },
    alive(status) {
      const nowMs = performance.now();
      const period = watchdogMs > 0 ? watchdogMs / 3 : 10_000;
      if (nowMs - lastFedMs < period) return;
      lastFedMs = nowMs;
      if (stop !== null) {
        askForTime(stop, 1);
        return;
      }
      notify(1, `--status=${isReady ? status : `starting: ${status}`}`, ...(watchdogMs > 0 ? ['WATCHDOG=1'] : []));
    },
    stopping(status, withinMs) {
      lastFedMs = performance.now();
      stop = { status, endMs: lastFedMs + withinMs };
      askForTime(stop, triesOnce, 'STOPPING=1');
    },
    reloading() {
      if (isReady) notify(triesOnce, 'RELOADING=1');
    },
    reloaded() {
      if (isReady) notify(triesOnce, '--ready');
    },
  };
}
