/**
 * The guard of a command of `nodectl primary run` and `once`: a process of its own that ends the command before the lease can
 * end, unless noded renewed it. nodectl is only the front: it starts the command, passes signals on and gives its exit code.
 *
 * The guard is in a session of its own, so that no terminal reaches it (Ctrl-C, Ctrl-Z, hang-up); it counts on the monotonic
 * clock plus the time that the machine slept. The command runs in a cgroup of its own: whatever it starts is ended with it.
 * S1: who ends the command in which case:
 *
 *   | case                              | who ends the command, and when                                                          |
 *   | --------------------------------- | --------------------------------------------------------------------------------------- |
 *   | the role goes, or is not renewed  | the guard: SIGTERM, then SIGKILL to all of the cgroup before the promise ends           |
 *   | nodectl stopped (Ctrl-Z, SIGSTOP) | the guard, as above; a command that is stopped is ended too                             |
 *   | nodectl killed (SIGKILL, OOM)     | the kernel its first process (parent death signal); the guard the cgroup, at once       |
 *   | terminal closed, Ctrl-C           | the kernel signals the command; if it ignores that it goes on, guarded                  |
 *   | guard killed                      | the reaper: its pipe from the guard closes, it kills the cgroup at once                 |
 *   | guard stopped                     | noded, when the promise has run out, and before it gives the role away (agent holds.ts) |
 *   | guard, nodectl, reaper stopped    | noded, ditto                                                                            |
 *   | noded killed                      | the guard, when the promise has run out; what a stopped guard left: the next noded      |
 *   | noded stopped or hung             | the guard; nothing gives the role away meanwhile but a fence, which ends the machine    |
 *   | machine asleep                    | the guard on waking: the time asleep is off the promise                                 |
 *   | cannot be ended (kernel hang)     | noded keeps the role; after the lease it resets the machine (S9)                        |
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cgroupExists, endCgroup, makeCgroup, processesOf, signalAll } from '../../real/cgroup.ts';
import { realClock } from '../../real/clock.ts';
import { askNoded } from '../../real/http/ask.ts';
import { exitCodes } from '../exit-codes.ts';
import type { FromGuard, ToGuard } from './messages.ts';
import { reaperScript } from './reaper.ts';

type Begin = Extract<ToGuard, { kind: 'begin' }>;

/** Between SIGTERM and SIGKILL, at most, and as a share of a lease that is not renewed; and what SIGKILL itself may take. */
const graceMaxMs = 2000;
const graceShare = 0.25;
const killMarginMs = 100;
/** What the command left running when it ended itself gets this long after SIGTERM. */
const leftoverGraceMs = 500;
const clockLookMs = 20;
const answerMs = 1000;
const endWithinMs = 5000;

const clock = realClock();

/** Lives as long as the command, and ends this process. */
export async function guardCommand(): Promise<void> {
  shield();
  const begin = await new Promise<Begin>((resolve) => {
    process.on('message', (message: ToGuard) => {
      if (message.kind === 'begin') resolve(message);
    });
  });
  const made = makeCgroup(begin.id);
  if (typeof made === 'string') {
    refuse(
      exitCodes.refused,
      `${made}: what the command starts could not be ended with the lease; nothing was run. Run nodectl as root, where cgroups can be changed (not under ProtectControlGroups=)`,
    );
    return;
  }
  const reaper = spawn('sh', ['-c', reaperScript, 'nodekeeper-reaper', made.path], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  reaper.on('error', () => undefined); // without it the guard, nodectl and noded are left
  reaper.unref();
  await guard(begin, made.path);
}

async function guard(begin: Begin, cgroup: string): Promise<void> {
  const asked = await ask(begin, { epoch: null, waitMs: 0, cgroup, once: begin.once });
  if (!asked.ok || !asked.answer.primary) {
    await endCgroup(cgroup, endWithinMs);
    if (asked.ok) refuse(exitCodes.failed, `not primary: ${asked.answer.because}; nothing was run`);
    else refuse(exitCodes.unreachable, `the noded of this machine does not answer (${asked.because}); nothing was run`);
    return;
  }
  const { epoch, node, guaranteedUntilMs } = asked.answer;
  const lease = new Lease(guaranteedUntilMs, Math.min(graceMaxMs, graceShare * begin.leaseMs));
  const over = new AbortController();
  const exited = new Promise<null>((resolve) =>
    process.on('message', (message: ToGuard) => {
      if (message.kind === 'exited') resolve(null);
    }),
  );
  const alone = new Promise<string>((resolve) => {
    process.once('disconnect', () => resolve('nodectl has ended'));
    if (!process.connected) resolve('nodectl has ended');
  });
  say({ kind: 'may-start', epoch, node, cgroup });
  const endedBecause = await Promise.race([
    exited,
    alone,
    renewed(begin, epoch, lease, over.signal),
    lease.aboutToEnd(over.signal),
  ]);
  over.abort();
  const leftRunning = endedBecause === null ? processesOf(cgroup).length : 0;
  await end(cgroup, endedBecause === null ? leftoverGraceMs : process.connected ? graceMaxMs : 0, lease);
  await askNoded<'release'>({ socket: begin.socket }, { kind: 'release', id: begin.id }, answerMs);
  say({ kind: 'over', endedBecause, leftRunning });
  process.exit(0);
}

/** How long the role is certain. The monotonic clock stands still while the machine sleeps; the lease does not. */
class Lease {
  private untilMs: number;
  private sleptMs = clock.suspendedMs();
  /** What the command gets between SIGTERM and SIGKILL when the lease is not renewed. */
  private readonly graceMs: number;

  constructor(untilMs: number, graceMs: number) {
    this.untilMs = untilMs;
    this.graceMs = graceMs;
  }

  leftMs(): number {
    this.countSleep();
    return this.untilMs - clock.monotonicMs();
  }

  /** An answer of noded to a question that was asked when the machine had slept `sleptMs`. */
  extend(untilMs: number, sleptMs: number): void {
    this.countSleep();
    if (sleptMs === this.sleptMs) this.untilMs = Math.max(this.untilMs, untilMs);
  }

  slept(): number {
    this.countSleep();
    return this.sleptMs;
  }

  /** Resolves when there is just the time left to end the command in good order. */
  async aboutToEnd(over: AbortSignal): Promise<string> {
    while (!over.aborted && this.leftMs() > this.graceMs + killMarginMs) await clock.sleep(clockLookMs, over);
    return 'the lease is about to end and was not renewed';
  }

  private countSleep(): void {
    const now = clock.suspendedMs();
    if (now > this.sleptMs) this.untilMs -= now - this.sleptMs;
    this.sleptMs = now;
  }
}

/** Asks noded again and again; resolves with the reason when the role goes. */
async function renewed(begin: Begin, epoch: number, lease: Lease, over: AbortSignal): Promise<string> {
  const waitMs = Math.max(10, Math.min(1000, begin.leaseMs / 8));
  while (!over.aborted) {
    const slept = lease.slept();
    const asked = await ask(begin, { epoch, waitMs });
    if (asked.ok && !asked.answer.primary) return asked.answer.because;
    if (asked.ok) lease.extend(asked.answer.guaranteedUntilMs, slept);
    else await clock.sleep(20, over); // noded is away: what it promised still holds until then
  }
  return 'over';
}

/** SIGTERM to everything, SIGKILL before the promise ends. A stopped process takes its SIGTERM when it goes on. */
async function end(cgroup: string, graceMs: number, lease: Lease): Promise<void> {
  if (graceMs > 0) signalAll(cgroup, 'SIGTERM', 'SIGCONT');
  const killAtMs = clock.monotonicMs() + Math.min(graceMs, lease.leftMs() - killMarginMs);
  while (clock.monotonicMs() < killAtMs && processesOf(cgroup).length > 0) await clock.sleep(5);
  while ((await endCgroup(cgroup, endWithinMs)) !== null && cgroupExists(cgroup)) await clock.sleep(clockLookMs);
}

interface Asking {
  readonly epoch: number | null;
  readonly waitMs: number;
  readonly cgroup?: string;
  readonly once?: string | null;
}

function ask({ id, socket }: Begin, asking: Asking) {
  return askNoded<'hold'>({ socket }, { kind: 'hold', id, ...asking }, asking.waitMs + answerMs);
}

function say(message: FromGuard): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

function refuse(code: number, because: string): void {
  process.send?.({ kind: 'refused', code, because } satisfies FromGuard, undefined, undefined, () => process.exit(0));
}

/** Nothing that is meant for the command, or for all of a unit, ends or stops the guard; memory runs out for others first. */
function shield(): void {
  process.title = 'nodekeeper-guard';
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'] as const)
    process.on(signal, () => undefined);
  try {
    writeFileSync('/proc/self/oom_score_adj', '-900');
  } catch {
    return; // not root
  }
}
