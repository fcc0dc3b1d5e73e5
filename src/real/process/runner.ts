/**
 * Runs other programs so that nothing they do can hold us up (S7, R4): an argument list and never a shell, a process
 * group of its own, our own deadline (SIGTERM, then SIGKILL to the whole group), settled then even if the child cannot
 * die, output capped.
 *
 * execa's own `timeout` is not used: it waits for grandchildren that keep stdout open (measured: 6 s at a timeout of
 * 300 ms).
 */
import { execa } from 'execa';

export interface RunOptions {
  readonly deadlineMs: number;
  /** Added to a minimal environment (PATH, LANG=C); secrets travel here, never in the arguments (S10). */
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export type RunResult =
  | {
      readonly kind: 'exited';
      readonly code: number;
      readonly stdout: string;
      readonly stderr: string;
      readonly tookMs: number;
    }
  | { readonly kind: 'timed-out'; readonly stdout: string; readonly stderr: string; readonly tookMs: number }
  | { readonly kind: 'missing' | 'failed'; readonly because: string; readonly tookMs: number };

/** Between SIGTERM and SIGKILL, and between SIGKILL and giving the child up. */
const graceMs = 300;
const outputMax = 256 * 1024;

/** Runs `program` with `args`; resolves within deadline + 2 x grace, always; never rejects. */
export async function run(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
  const startMs = performance.now();
  const took = () => performance.now() - startMs;
  const child = execa(program, args, {
    detached: true, // a process group of its own, so that grandchildren can be killed with it
    cleanup: false,
    reject: false,
    env: { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin', LANG: 'C', LC_ALL: 'C', ...options.env },
    extendEnv: false,
    maxBuffer: outputMax,
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    stripFinalNewline: true,
  });
  let isLate = false;
  const finished = child.then((result): RunResult => {
    // It ended by our SIGTERM, before the SIGKILL: late all the same.
    if (isLate) return { kind: 'timed-out', stdout: result.stdout, stderr: result.stderr, tookMs: took() };
    if (result.code === 'ENOENT') return { kind: 'missing', because: `${program} is not installed`, tookMs: took() };
    if (result.exitCode === undefined && !result.isTerminated) {
      return { kind: 'failed', because: result.shortMessage ?? 'it could not be started', tookMs: took() };
    }
    const { stdout, stderr } = result;
    return { kind: 'exited', code: result.exitCode ?? 128, stdout, stderr, tookMs: took() };
  });
  const timer = new AbortController();
  const late = deadline(child.pid, options.deadlineMs, timer.signal, () => (isLate = true)).then((): RunResult => ({
    kind: 'timed-out',
    stdout: '',
    stderr: '',
    tookMs: took(),
  }));
  const result = await Promise.race([finished, late]);
  timer.abort();
  if (result.kind === 'timed-out') {
    // A grandchild that left the group may hold the pipes open for ever; nobody reads them any more.
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
  return result;
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
