/**
 * A command that may live only while this machine is primary (6.6). The noded is asked again and again; each answer says until
 * when the role is certain, on the clock that both share. SIGTERM early enough, SIGKILL to the whole group, all of it before
 * that moment. If this process is killed, the kernel kills the command (parent death signal).
 */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Config } from '../config/load.ts';
import { monotonicMs } from '../real/clock.ts';
import { pause } from './connect.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import { askLocalNoded } from './local-noded.ts';

/** Between SIGTERM and SIGKILL, at most; and what SIGKILL itself may take. */
const graceMaxMs = 2000;
const killMarginMs = 100;
const answerMs = 1000;

export interface BoundResult {
  /** The command's exit code; 128 + signal when it was killed. */
  readonly code: number;
  /** Why it was ended from outside; null: it ended by itself. */
  readonly endedBecause: string | null;
  readonly epoch: number;
}

/** Throws (exit 1) when this machine is not primary to begin with. */
export async function runBound(
  config: Config,
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<BoundResult> {
  const id = randomBytes(8).toString('hex');
  const first = await askLocalNoded(config, { kind: 'hold', id, epoch: null, waitMs: 0 }, answerMs);
  if (!first.ok)
    throw new CommandError(
      exitCodes.unreachable,
      `the noded of this machine does not answer (${first.because}); nothing was run`,
    );
  if (!first.answer.primary)
    throw new CommandError(exitCodes.failed, `not primary: ${first.answer.because}; nothing was run`);
  const { epoch } = first.answer;
  const child = start(words, { ...env, NODEKEEPER_EPOCH: String(epoch), NODEKEEPER_NODE: first.answer.node });
  const ended = endOf(child, words);
  const forward = (signal: NodeJS.Signals) => kill(child, signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, forward);
  try {
    const lease = keepAsking(config, id, epoch, first.answer.guaranteedUntilMs);
    const over = await Promise.race([ended.then(() => null), lease.lost, endsInTime(lease, ended)]);
    lease.stop();
    if (over !== null) await end(child, ended, lease.untilMs());
    return { code: await ended, endedBecause: over, epoch };
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, forward);
    await askLocalNoded(config, { kind: 'release', id }, answerMs);
  }
}

interface Lease {
  /** Resolves with the reason when the noded says that the role goes. */
  readonly lost: Promise<string>;
  untilMs(): number;
  stop(): void;
}

function keepAsking(config: Config, id: string, epoch: number, untilMs: number): Lease {
  let guaranteedMs = untilMs;
  let isOver = false as boolean;
  const lost = (async () => {
    while (!isOver) {
      const waitMs = Math.max(10, Math.min(1000, config.timing.leaseMs / 8));
      const asked = await askLocalNoded(config, { kind: 'hold', id, epoch, waitMs }, waitMs + answerMs);
      if (asked.ok && !asked.answer.primary) return asked.answer.because;
      if (asked.ok) guaranteedMs = Math.max(guaranteedMs, asked.answer.guaranteedUntilMs);
      else await pause(20); // the noded is away: what it promised still holds until then
    }
    return 'over';
  })();
  return { lost, untilMs: () => guaranteedMs, stop: () => (isOver = true) };
}

/** Resolves when the promise is about to run out without a new one. */
async function endsInTime(lease: Lease, ended: Promise<number>): Promise<string> {
  let isOver = false as boolean;
  void ended.then(() => (isOver = true));
  while (!isOver) {
    const leftMs = lease.untilMs() - monotonicMs();
    const neededMs = Math.min(graceMaxMs, leftMs / 2) + killMarginMs;
    if (leftMs <= neededMs || leftMs <= 2 * killMarginMs) return 'the lease is about to end and was not renewed';
    await pause(Math.min(20, leftMs - neededMs));
  }
  return 'over';
}

async function end(child: ChildProcess, ended: Promise<number>, untilMs: number): Promise<void> {
  kill(child, 'SIGTERM');
  const graceMs = Math.max(0, Math.min(graceMaxMs, untilMs - killMarginMs - monotonicMs()));
  await Promise.race([ended, pause(graceMs)]);
  kill(child, 'SIGKILL'); // the whole group, also when the command itself has ended
  await ended;
}

function start(words: readonly string[], env: Readonly<Record<string, string>>): ChildProcess {
  // setpriv: if nodectl is killed, the kernel ends the command; nobody else could.
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...words], {
    stdio: 'inherit',
    detached: true,
    env: { ...process.env, ...env },
  });
}

function endOf(child: ChildProcess, words: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new CommandError(exitCodes.usage, `${words[0] ?? ''} could not be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === 'SIGKILL' ? 9 : 15)));
  });
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    return; // ESRCH: the group is gone
  }
}
