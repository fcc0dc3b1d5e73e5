/**
 * One cgroup for one command, so that all of its processes can be ended, whatever forks, forks twice or changes its session.
 * cgroup v2, also beside v1 (hybrid); where there is v1 only, systemd's own hierarchy, which every machine with systemd has.
 *
 * The calls are synchronous on purpose: the kernel answers them from memory, and they must not wait behind a hung disk for one
 * of Node's few threads.
 */
import { mkdirSync, readFileSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const namePrefix = 'nodekeeper-run-';
const namePattern = /^\/.*\/nodekeeper-run-[0-9a-f]{16}$/;
const lookMs = 5;
const lookMaxMs = 50;

/** Makes an empty one below the cgroup of this process. A sentence instead: why it cannot. */
export function makeCgroup(id: string): { readonly path: string } | string {
  const own = ownCgroup();
  if (own === null) return 'no cgroup of this process was found: /proc/self/mountinfo names none that is mounted here';
  const path = join(own, `${namePrefix}${id}`);
  try {
    mkdirSync(path);
    return { path };
  } catch (error) {
    return `no cgroup can be made in ${own} (${(error as NodeJS.ErrnoException).code ?? String(error)})`;
  }
}

export function cgroupExists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Its processes and those of every cgroup below it. */
export function processesOf(path: string): number[] {
  return withChildren(path).flatMap((dir) =>
    textOf(join(dir, 'cgroup.procs'))
      .split('\n')
      .filter((line) => line !== '' && line !== '0') // 0: of another PID namespace
      .map(Number),
  );
}

/** Sends a signal to each of its processes. */
export function signalAll(path: string, ...signals: readonly NodeJS.Signals[]): void {
  for (const pid of processesOf(path)) for (const signal of signals) send(pid, signal);
}

/** SIGKILL until nothing is left in it, then removes it: from then on nothing can join. Null: done. */
export async function endCgroup(path: string, deadlineMs: number): Promise<string | null> {
  if (!namePattern.test(path)) return `${path} is no cgroup of a command of nodectl`;
  const endMs = performance.now() + deadlineMs;
  for (let waitMs = lookMs; ; waitMs = Math.min(lookMaxMs, 2 * waitMs)) {
    if (!cgroupExists(path)) return null;
    if (!tryWrite(join(path, 'cgroup.kill'), '1')) signalAll(path, 'SIGKILL');
    const failure = remove(path);
    if (failure === null) return null;
    // Read-only for this process (ProtectControlGroups=): empty is the most that can be reached.
    if (failure === 'EROFS' && processesOf(path).length === 0) return null;
    if (performance.now() > endMs) return `${path} still holds ${told(path)} after ${deadlineMs} ms (${failure})`;
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

function told(path: string): string {
  const pids = processesOf(path);
  const shown = pids.slice(0, 5).map((pid) => {
    const [, name = '?', state = '?'] = /\((.*)\) (\S)/s.exec(textOf(`/proc/${pid}/stat`)) ?? [];
    return `${pid} (${name}, state ${state})`;
  });
  return pids.length === 0
    ? 'no process'
    : `${pids.length === 1 ? 'process' : `${pids.length} processes:`} ${shown.join(', ')}`;
}

/** Where the cgroup of this process is mounted: the first one that lists this process. */
function ownCgroup(): string | null {
  const lines = textOf('/proc/self/cgroup').split('\n');
  const below = (pattern: RegExp) => lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined);
  const candidates = [
    ...mounts('cgroup2').map((mount) => join(mount, below(/^0::(.*)$/) ?? '/')),
    ...mounts('cgroup').map((mount) => join(mount, below(/^\d+:name=systemd:(.*)$/) ?? '/')),
  ];
  return candidates.find((dir) => textOf(join(dir, 'cgroup.procs')).split('\n').includes(String(process.pid))) ?? null;
}

function mounts(kind: string): string[] {
  return textOf('/proc/self/mountinfo')
    .split('\n')
    .flatMap((line) => {
      const [before = '', after = ''] = line.split(' - ');
      const mount = before.split(' ')[4];
      return after.split(' ')[0] === kind &&
        mount !== undefined &&
        (kind === 'cgroup2' || after.includes('name=systemd'))
        ? [mount]
        : [];
    });
}

function withChildren(path: string): string[] {
  try {
    const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...below.flatMap((entry) => withChildren(join(path, entry.name))), path];
  } catch {
    return []; // gone meanwhile
  }
}

/** Null: removed, or gone; else the code of the error. */
function remove(path: string): string | null {
  for (const dir of withChildren(path)) {
    try {
      rmdirSync(dir);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      if (code !== 'ENOENT') return code;
    }
  }
  return null;
}

function tryWrite(file: string, text: string): boolean {
  try {
    writeFileSync(file, text);
    return true;
  } catch {
    return false;
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    return; // ESRCH: it has ended
  }
}
