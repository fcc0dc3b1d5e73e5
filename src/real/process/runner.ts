/**
 * Runs other programs so that nothing they do can hold us up (S7): an argument list and never a shell, a process
 * group of its own, our own deadline (SIGTERM, then SIGKILL to the whole group), settled then even if the child cannot
 * die, output capped.
 *
 * execa's own `timeout` is not used: it waits for grandchildren that keep stdout open (measured: 6 s at a timeout of
 * 300 ms).
 */
import type { ChildProcess } from 'node:child_process';
import { notInstalled } from './packages.ts';

export interface RunOptions {
  readonly deadlineMs: number;
  /** Added to a minimal environment (PATH, LANG=C); secrets travel here, never in the arguments (S10). */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  /** Aborted: the process group is ended as at the deadline. */
  readonly signal?: AbortSignal | null;
  /**
   * It may leave processes behind that keep its output open (a service that it starts): the run is over when it exits
   * itself. What they write later is read and thrown away.
   */
  readonly mayLeave?: boolean;
}

export type RunResult =
  | {
      readonly kind: 'exited';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly tookMs: number;
      /** It wrote more than is kept: what stands here is the beginning. */
      readonly isCapped?: true;
    }
  | { readonly kind: 'timed-out'; readonly stdout: string; readonly stderr: string; readonly tookMs: number }
  | { readonly kind: 'missing' | 'failed' | 'aborted'; readonly because: string; readonly tookMs: number };

/** Between SIGTERM and SIGKILL, and between SIGKILL and giving the child up. */
const graceMs = 300;
const outputMax = 256 * 1024;

/** Runs `program` with `args`; resolves within deadline + 2 x grace, always; never rejects. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const startMs = performance.now();
  const took = () => performance.now() - startMs;
  const { execa } = await import('execa'); // most commands of nodectl run nothing, and start faster without it
  const child = execa(program, args, {
    detached: true, // a process group of its own, so that grandchildren can be killed with it
    cleanup: false,
    reject: false,
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C', LC_ALL: 'C', ...options.env },
    extendEnv: false,
    maxBuffer: outputMax,
    buffer: options.mayLeave !== true,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    stripFinalNewline: true,
  });
  let isLate = false;
  // It ended by our SIGTERM: what it leaves behind, and does not heed that, gets the SIGKILL of the deadline.
  const exits = options.mayLeave === true ? exitOf(child, took).then((result) => (isLate ? never() : result)) : null;
  const finished = child.then((result): RunResult => {
    // It ended by our SIGTERM, before the SIGKILL: late all the same.
    if (isLate) return { kind: 'timed-out', stdout: result.stdout, stderr: result.stderr, tookMs: took() };
    if (result.code === 'ENOENT') return { kind: 'missing', because: notInstalled(program), tookMs: took() };
    if (result.exitCode === undefined && !result.isTerminated) {
      return { kind: 'failed', because: result.shortMessage ?? 'it could not be started', tookMs: took() };
    }
    const { stdout, stderr } = result;
    const capped = result.isMaxBuffer ? { isCapped: true as const } : {};
    return { kind: 'exited', code: result.exitCode ?? 128, stdout, stderr, tookMs: took(), ...capped };
  });
  const timer = new AbortController();
  const late = deadline(child.pid, options.deadlineMs, timer.signal, () => (isLate = true)).then((): RunResult => ({
    kind: 'timed-out',
    stdout: '',
    stderr: '',
    tookMs: took(),
  }));
  const aborted = untilAborted(options.signal ?? null, child.pid, timer.signal, took);
  const result = await Promise.race([
    exits === null ? finished : Promise.race([exits, failedToStart(finished)]),
    late,
    aborted,
  ]);
  timer.abort();
  if (result.kind === 'timed-out' || result.kind === 'aborted') {
    // A grandchild that left the group may hold the pipes open for ever; nobody reads them any more.
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
  return result;
}

const never = (): Promise<RunResult> => new Promise(() => undefined);

/** The exit of the process itself, with what it had written until then. */
function exitOf(child: ChildProcess, took: () => number): Promise<RunResult> {
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.on('data', (chunk: Buffer) => {
      if (written[name].length < outputMax) written[name] += chunk.toString('utf8').slice(0, outputMax);
    });
    child[name]?.on('error', () => undefined); // nobody reads on after the deadline
  }
  return new Promise((resolve) => {
    child.once('exit', (code: number | null) => {
      // What it wrote right before is still in the pipe.
      setTimeout(() => {
        const { stdout, stderr } = written;
        resolve({
          kind: 'exited',
          code: code ?? 128,
          stdout: stdout.trimEnd(),
          stderr: stderr.trimEnd(),
          tookMs: took(),
        });
      }, 5);
    });
  });
}

/** Only what never started: the exit of what did is `exitOf`'s. */
async function failedToStart(finished: Promise<RunResult>): Promise<RunResult> {
  const result = await finished;
  return result.kind === 'missing' || result.kind === 'failed' ? result : new Promise(() => undefined);
}

function untilAborted(
  signal: AbortSignal | null,
  pid: number | undefined,
  over: AbortSignal,
  took: () => number,
): Promise<RunResult> {
  if (signal === null) return new Promise(() => undefined);
  return new Promise((resolve) => {
    const end = async () => {
      killGroup(pid, 'SIGTERM');
      await pause(graceMs, over);
      killGroup(pid, 'SIGKILL');
      resolve({ kind: 'aborted', because: 'aborted', tookMs: took() });
    };
    if (signal.aborted) void end();
    else {
      const onAbort = () => void end();
      signal.addEventListener('abort', onAbort, { once: true });
      over.addEventListener('abort', () => signal.removeEventListener('abort', onAbort));
    }
  });
}

async function deadline(
  pid: number | undefined,
  deadlineMs: number,
  signal: AbortSignal,
  onLate: () => void,
): Promise<void> {
  await pause(deadlineMs, signal);
  if (signal.aborted) return new Promise(() => undefined); // the child was in time: this race is over
  onLate();
  killGroup(pid, 'SIGTERM');
  await pause(graceMs, signal);
  killGroup(pid, 'SIGKILL');
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    return; // ESRCH: the group is gone, which is what was wanted
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
