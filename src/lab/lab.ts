/** One lab: its directory, its file, its processes. What is not in the file does not belong to the lab. */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../real/process/runner.ts';
import type { RunResult } from '../real/process/runner.ts';

export interface LabFile {
  readonly nodes: number;
  readonly zookeepers: number;
  readonly repository: string;
  readonly cgroup: string;
  /** The process that holds the lab's namespaces, as the machine sees it. */
  readonly unsharePid: number;
}

/** Ends a command with a sentence for people. */
export class LabError extends Error {
  override readonly name = 'LabError';
}

export const clusterName = 'lab';
export const virtualAddress = '10.77.0.200';
export const nodesMax = 60;

export class Lab {
  readonly dir: string;
  readonly repository = new URL('../../', import.meta.url).pathname.replace(/\/$/, '');
  readonly hostScripts = join(this.repository, 'src/lab/host');

  constructor(dir: string) {
    this.dir = dir;
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  exists(): boolean {
    return existsSync(this.path('lab.json')) || existsSync(this.path('lab.env'));
  }

  file(): LabFile {
    if (!existsSync(this.path('lab.json'))) throw new LabError(`no lab is up in ${this.dir}: scripts/lab up`);
    return JSON.parse(readFileSync(this.path('lab.json'), 'utf8')) as LabFile;
  }

  save(file: LabFile): void {
    writeFileSync(this.path('lab.json'), JSON.stringify(file, null, 2));
  }

  initPid(): number | null {
    return readPid(this.path('init.pid'));
  }

  isUp(): boolean {
    const pid = this.initPid();
    return pid !== null && isAlive(pid);
  }

  hosts(): string[] {
    return Array.from({ length: this.file().nodes }, (_, index) => `node${index + 1}`);
  }

  host(name: string): string {
    const hosts = this.hosts();
    if (!hosts.includes(name)) throw new LabError(`there is no host "${name}"; the hosts are ${hosts.join(', ')}`);
    return name;
  }

  environment(): Record<string, string> {
    return { LAB: this.dir, LABSRC: this.hostScripts, PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
  }

  /** The words that put a command into the lab's namespaces. */
  inside(...command: string[]): [string, string[]] {
    const pid = this.initPid();
    if (pid === null || !isAlive(pid)) throw new LabError(`no lab is up in ${this.dir}: scripts/lab up`);
    return [
      'nsenter',
      ['-t', String(pid), '-m', '-u', '-i', '-n', '-p', '-C', '--', 'setpriv', '--pdeathsig', 'KILL', '--', ...command],
    ];
  }

  /** Runs a script or program in the lab's namespaces; throws with what it said when it fails. */
  async do(deadlineMs: number, ...command: string[]): Promise<string> {
    const [program, args] = this.inside(...command);
    return this.must(await run(program, args, { deadlineMs, env: this.environment() }), command);
  }

  script(name: string): string {
    return join(this.hostScripts, name);
  }

  must(result: RunResult, command: readonly string[]): string {
    const what = command.map((word) => word.split('/').at(-1)).join(' ');
    if (result.kind === 'timed-out') throw new LabError(`${what}: no answer within ${Math.round(result.tookMs)} ms`);
    if (result.kind !== 'exited') throw new LabError(`${what}: ${result.because}`);
    if (result.code !== 0)
      throw new LabError(`${what}: exit code ${result.code}: ${`${result.stderr}\n${result.stdout}`.trim()}`);
    return result.stdout;
  }

  makeDirs(nodes: readonly string[]): void {
    try {
      mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw new LabError(`no lab can live in ${this.dir}: ${(error as Error).message}`);
    }
    for (const dir of ['log', 'hosts', 'bmc', 'conf', ...nodes.map((node) => `conf/${node}`)])
      mkdirSync(this.path(dir), { recursive: true });
  }

  /** Removes the directory; refuses one that is not a lab's. */
  removeDir(keepLogs: boolean): void {
    if (!this.exists() && !existsSync(this.path('log'))) return;
    for (const name of readdirSync(this.dir)) {
      if (!(keepLogs && name === 'log')) rmSync(this.path(name), { recursive: true, force: true });
    }
    if (!keepLogs) rmSync(this.dir, { recursive: true, force: true });
  }

  /** Outer pids of a host's processes whose command line matches. */
  pidsOf(host: string, pattern: RegExp): number[] {
    const { cgroup } = this.file();
    return cgroupPids(join(cgroup, host)).filter((pid) => pattern.test(commandLine(pid)));
  }
}

export function readPid(file: string): number | null {
  if (!existsSync(file)) return null;
  const pid = Number(readFileSync(file, 'utf8').trim().split(' ')[0]);
  return Number.isInteger(pid) && pid > 1 ? pid : null;
}

/** Zombies count as gone: the machine's own PID 1 may reap late. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return false; // no such process
  }
}

export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // ended in the meantime
  }
}

function cgroupPids(dir: string): number[] {
  if (!existsSync(dir)) return [];
  const own = existsSync(join(dir, 'cgroup.procs'))
    ? readFileSync(join(dir, 'cgroup.procs'), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map(Number)
    : [];
  const below = readdirSync(dir, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...own, ...below.flatMap((entry) => cgroupPids(join(dir, entry.name)))];
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
