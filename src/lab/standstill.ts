/**
 * Stops processes and lets them continue, and returns when they really stand still or run. SIGSTOP only asks: one thread has to
 * be scheduled before it stops the others, which on a busy machine took long enough for a "frozen" ZooKeeper to serve on.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LabError, pause } from './lab.ts';

/** Longer than a machine takes that is twice as busy as two cores can be; past it the machine is of no use for a story. */
export const standstillDeadlineMs = 20_000;
const lookMs = 5;

export type Standing = 'stopped' | 'running' | 'ended';

/** What a process does, all of its threads together: a thread that is not stopped yet still answers requests. */
export function standing(pid: number): Standing {
  const states = threadStates(pid).filter((state) => state !== 'Z' && state !== 'X');
  if (states.length === 0) return 'ended';
  return states.every((state) => state === 'T' || state === 't') ? 'stopped' : 'running';
}

/** Stops the processes; when one of them does not stop, all of them go on, and this throws. */
export async function freezeProcesses(pids: readonly number[], deadlineMs = standstillDeadlineMs): Promise<void> {
  signal(pids, 'SIGSTOP');
  try {
    await standUntil(pids, 'stopped', deadlineMs);
  } catch (error) {
    signal(pids, 'SIGCONT');
    throw error;
  }
}

export async function thawProcesses(pids: readonly number[], deadlineMs = standstillDeadlineMs): Promise<void> {
  signal(pids, 'SIGCONT');
  await standUntil(pids, 'running', deadlineMs);
}

/** Stops everything in a control group, or lets it go on. */
export async function freezeGroup(dir: string, frozen: boolean, deadlineMs = standstillDeadlineMs): Promise<void> {
  writeFileSync(join(dir, 'cgroup.freeze'), frozen ? '1' : '0');
  const wanted = `frozen ${frozen ? 1 : 0}`;
  const isThere = () => readFileSync(join(dir, 'cgroup.events'), 'utf8').split('\n').includes(wanted);
  if (await within(deadlineMs, isThere)) return;
  if (frozen) writeFileSync(join(dir, 'cgroup.freeze'), '0');
  throw new LabError(`${dir}: not "${wanted}" within ${deadlineMs} ms`);
}

/** Waits until all of them are in that state, or have ended; throws with those that are not. */
export async function standUntil(pids: readonly number[], wanted: Standing, deadlineMs: number): Promise<void> {
  const others = () => pids.filter((pid) => ![wanted, 'ended'].includes(standing(pid)));
  if (await within(deadlineMs, () => others().length === 0)) return;
  throw new LabError(`process ${others().join(', ')}: not ${wanted} within ${deadlineMs} ms`);
}

async function within(deadlineMs: number, holds: () => boolean): Promise<boolean> {
  const startMs = performance.now();
  while (!holds()) {
    if (performance.now() - startMs > deadlineMs) return false;
    await pause(lookMs);
  }
  return true;
}

/** A process that has ended needs no signal. */
function signal(pids: readonly number[], name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
}

function threadStates(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) => threadState(pid, thread));
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The letter behind the name in brackets, which may hold brackets itself. */
function threadState(pid: number, thread: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return [stat.charAt(stat.lastIndexOf(')') + 2)];
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '');
}
