/**
 * systemd's notify protocol by `systemd-notify` (NotifyAccess=all): a Unix datagram socket needs a native module
 * otherwise. Fire and forget (SUPERVISOR1); the watchdog is fed at most as often as it asks for.
 */
import type { Supervisor } from '../../environment/supervisor.ts';
import { run } from '../process/runner.ts';

export interface SystemdSupervisor extends Supervisor {
  /** The configuration is being read anew. */
  reloading(): void;
  /** That is over, whatever came of it. */
  reloaded(): void;
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
  let isReady = false;
  let sent = Promise.resolve();
  // One after another: two programs at once could arrive in the wrong order.
  const notify = (...words: string[]) => {
    sent = sent.then(async () => {
      await run('systemd-notify', [`--pid=${process.pid}`, ...words], {
        deadlineMs: 1000,
        env: { NOTIFY_SOCKET: socket },
      });
    });
  };
  return {
    ready(status) {
      isReady = true;
      notify('--ready', `--status=${status}`);
    },
    alive(status) {
      const nowMs = performance.now();
      const period = watchdogMs > 0 ? watchdogMs / 3 : 10_000;
      if (nowMs - lastFedMs < period) return;
      lastFedMs = nowMs;
      notify(`--status=${isReady ? status : `starting: ${status}`}`, ...(watchdogMs > 0 ? ['WATCHDOG=1'] : []));
    },
    stopping: (status) => notify('STOPPING=1', `--status=${status}`),
    reloading() {
      if (isReady) notify('RELOADING=1');
    },
    reloaded() {
      if (isReady) notify('--ready');
    },
  };
}
