/** What really runs: QEMU processes over all hosts of a lab, looked at every 10 ms, and the counters of the lab's guests. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

const looksMax = 200;

/** Counts QEMU processes of one lab by UUID, from outside of its hosts; other labs may be up at the same time. */
export class QemuWatcher {
  samples = 0;
  /** The most that ever ran at once, by UUID. */
  readonly most = new Map<string, number>();
  /** When each UUID was first seen in a process that was not there at the beginning (wall ms). */
  readonly firstNewMs = new Map<string, number>();
  private readonly known = new Map<string, { readonly uuid: string | null; readonly looks: number }>();
  private readonly timer: NodeJS.Timeout;
  private readonly cgroup: string;

  constructor(labDir: string) {
    this.cgroup = basename(readFileSync(join(labDir, 'cgroup'), 'utf8').trim());
    this.look();
    this.firstNewMs.clear();
    this.timer = setInterval(() => this.look(), 10);
  }

  stop(): this {
    clearInterval(this.timer);
    return this;
  }

  /** UUIDs that ever ran twice at the same moment. */
  twice(): string[] {
    return [...this.most].filter(([, count]) => count > 1).map(([uuid]) => uuid);
  }

  private look(): void {
    this.samples += 1;
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    const running = new Map<string, number>();
    for (const pid of this.known.keys()) if (!pids.includes(pid)) this.known.delete(pid);
    for (const pid of pids) {
      const uuid = this.identify(pid);
      if (uuid !== null && isAlive(pid)) running.set(uuid, (running.get(uuid) ?? 0) + 1);
    }
    for (const [uuid, count] of running) this.most.set(uuid, Math.max(count, this.most.get(uuid) ?? 0));
  }

  /** A process that is young may still become QEMU: it is looked at for a while. */
  private identify(pid: string): string | null {
    const before = this.known.get(pid) ?? { uuid: null, looks: 0 };
    if (before.uuid !== null || before.looks > looksMax) return before.uuid;
    const uuid = qemuUuid(pid, this.cgroup);
    this.known.set(pid, { uuid, looks: before.looks + 1 });
    if (uuid !== null && !this.firstNewMs.has(uuid)) this.firstNewMs.set(uuid, Date.now());
    return uuid;
  }
}

function qemuUuid(pid: string, cgroup: string): string | null {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    const at = words.indexOf('-uuid'); // libvirt also runs QEMU to ask what it can do
    if (!(words[0] ?? '').includes('qemu-system') || at <= 0) return null;
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(`/${cgroup}/`) ? (words[at + 1] ?? null) : null;
  } catch {
    return null; // it has ended in the meantime
  }
}

/** A zombie runs nothing. */
function isAlive(pid: string): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return false;
  }
}

/** The counts that a guest of the lab has sent, in order. Each boot begins with 1; a migration goes on. */
export function ticksOf(labDir: string, name: string): number[] {
  const file = join(labDir, 'log', `serial-${name}`);
  const text = existsSync(file) ? readFileSync(file, 'latin1') : '';
  return [...text.matchAll(/tick ([0-9a-f]{8})/g)].map((match) => parseInt(match[1] ?? '', 16));
}

/** How often the guest was booted, and whether any count came twice within one boot: two of it ran. */
export function countBoots(ticks: readonly number[]): { readonly boots: number; readonly isTorn: boolean } {
  let boots = 0;
  let isTorn = false;
  for (const [at, tick] of ticks.entries()) {
    const before = ticks[at - 1] ?? 0;
    if (tick === 1) boots += 1;
    else if (tick !== before + 1) isTorn = true;
  }
  return { boots, isTorn };
}
