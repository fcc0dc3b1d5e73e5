/**
 * A command that may live only while this machine is primary. This is the front: it starts the command in its own place in the
 * terminal (so Ctrl-C, Ctrl-Z and reading from the terminal work as for any command), passes signals on and gives its exit
 * code. What ends the command in time is a process of its own, which no terminal reaches: guard/guard.ts has the table.
 */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { Config } from '../config/load.ts';
import { endCgroup, signalAll } from '../real/cgroup.ts';
import { pause } from './connect.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { FromGuard, ToGuard } from './guard/messages.ts';
import { guardWord } from './guard/messages.ts';
import { starterScript } from './guard/reaper.ts';
import { askLocalNoded } from './local-noded.ts';

const guardStartsWithinMs = 10_000;
const guardEndsWithinMs = 8000;
const answerMs = 1000;
const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'] as const;
/** The kernel sends these to everything in the terminal's foreground. */
const ofTerminal: readonly NodeJS.Signals[] = ['SIGINT', 'SIGQUIT'];

export interface BoundResult {
  /** The command's exit code; 128 + signal when it was killed. */
  readonly code: number;
  /** Why it was ended from outside; null: it ended by itself. */
  readonly endedBecause: string | null;
  readonly epoch: number;
}

type MayStart = Extract<FromGuard, { kind: 'may-start' }>;

/** Throws when nothing was run: exit 1 not primary, 3 noded does not answer, 4 its processes could not be ended with the lease. */
export async function runBound(
  config: Config,
  words: readonly string[],
  once: string | null = null,
): Promise<BoundResult> {
  const id = randomBytes(8).toString('hex');
  const guard = new Guard();
  const begun = await guard.begin({
    kind: 'begin',
    id,
    socket: config.api.socket,
    leaseMs: config.timing.leaseMs,
    once,
  });
  const child = start(words, begun);
  const passOn = (signal: NodeJS.Signals) => {
    if (!(ofTerminal.includes(signal) && isInForeground())) signalAll(begun.cgroup, signal);
  };
  for (const signal of passedOn) process.on(signal, passOn);
  try {
    const code = await endOf(child, words);
    const over = await guard.end();
    if (over === null) {
      // The guard is stopped, or was killed: what is left is ended from here.
      await endCgroup(begun.cgroup, guardEndsWithinMs);
      await askLocalNoded(config, { kind: 'release', id }, answerMs);
      return { code, endedBecause: 'its guard was stopped or killed', epoch: begun.epoch };
    }
    if (over.leftRunning > 0)
      process.stderr.write(`nodectl: ended ${over.leftRunning} processes that the command had left running\n`);
    return { code, endedBecause: over.endedBecause, epoch: begun.epoch };
  } finally {
    for (const signal of passedOn) process.off(signal, passOn);
    guard.leave();
  }
}

/** The process that ends the command in time. */
class Guard {
  private readonly process: ChildProcess;
  private readonly said: FromGuard[] = [];
  private hasEnded = false;
  private onNews: () => void = () => undefined;

  constructor() {
    // A session of its own: what the terminal does reaches nodectl and the command, but never this one.
    this.process = spawn(process.execPath, [process.argv[1] ?? '', guardWord], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      detached: true,
    });
    this.process.on('message', (message: FromGuard) => {
      this.said.push(message);
      this.onNews();
    });
    const ended = () => {
      this.hasEnded = true;
      this.onNews();
    };
    this.process.once('exit', ended);
    this.process.once('error', ended);
  }

  async begin(message: Extract<ToGuard, { kind: 'begin' }>): Promise<MayStart> {
    this.process.send(message);
    const answer = await this.next(guardStartsWithinMs);
    if (answer?.kind === 'may-start') return answer;
    this.leave();
    if (answer?.kind === 'refused') throw new CommandError(answer.code, answer.because);
    throw new CommandError(exitCodes.failed, 'the guard of the command did not start; nothing was run');
  }

  /** The command has exited. Null: the guard does not answer. */
  async end(): Promise<Extract<FromGuard, { kind: 'over' }> | null> {
    if (!this.hasEnded && this.process.connected) this.process.send({ kind: 'exited' } satisfies ToGuard);
    const answer = await this.next(guardEndsWithinMs);
    return answer?.kind === 'over' ? answer : null;
  }

  leave(): void {
    if (this.process.connected) this.process.disconnect();
    this.process.unref();
  }

  private async next(withinMs: number): Promise<FromGuard | null> {
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
      this.onNews();
    }, withinMs);
    while (this.said.length === 0 && !this.hasEnded && !deadline.signal.aborted)
      await new Promise<void>((resolve) => (this.onNews = resolve));
    clearTimeout(timer);
    if (this.said.length === 0 && this.hasEnded) await pause(0); // its last message may be on the way
    return this.said.shift() ?? null;
  }
}

/** setpriv: if nodectl is killed, the kernel ends the command at once, and the guard the rest of it. */
function start(words: readonly string[], { cgroup, epoch, node }: MayStart): ChildProcess {
  const env = { ...process.env, NODEKEEPER_EPOCH: String(epoch), NODEKEEPER_NODE: node };
  const starter = ['--pdeathsig', 'KILL', '--', 'sh', '-c', starterScript, cgroup, ...words];
  return spawn('setpriv', starter, { stdio: 'inherit', env });
}

function endOf(child: ChildProcess, words: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new CommandError(exitCodes.usage, `${words[0] ?? ''} could not be started: ${error.message}`)),
    );
    child.once('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

/** Whether this process is in the foreground of its terminal: then the command has every signal of the terminal already. */
function isInForeground(): boolean {
  const [, , group, , terminal, foreground] = (
    /\) (.*)/s.exec(readFileSync('/proc/self/stat', 'utf8'))?.[1] ?? ''
  ).split(' ');
  return terminal !== '0' && group === foreground;
}
