/** What the collected texts mean. Pure; garbage in them is a reading that failed, never a crash. */
import * as z from 'zod';
import type { SubsystemReading } from '../../environment/subsystem.ts';

const CephHealth = z.object({ status: z.string() });
const OsdDump = z.object({ osds: z.array(z.object({ up: z.number(), in: z.number() })) });

/** With less than this the few small files of noded cannot be written. */
const diskMinBytes = 1024 * 1024;

/** `disk`: what is left where noded keeps its files; null: not known. */
export function systemReading(
  loadavg: string,
  meminfo: string,
  cpus: number,
  disk: { readonly dir: string; readonly freeBytes: number } | null = null,
): SubsystemReading {
  const load1 = Number(loadavg.split(' ')[0]);
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1] ?? NaN);
  const totalMiB = Math.round(kib('MemTotal') / 1024);
  const freeMiB = Math.round(kib('MemAvailable') / 1024);
  if (![load1, totalMiB, freeMiB].every(Number.isFinite))
    return { ok: false, because: '/proc/loadavg or /proc/meminfo cannot be read' };
  const tight = freeMiB < totalMiB * 0.03;
  const full = disk !== null && disk.freeBytes < diskMinBytes ? `, the disk of ${disk.dir} is full` : '';
  return {
    ok: true,
    health: full !== '' ? 'error' : tight ? 'warning' : 'ok',
    summary: `load ${load1} on ${cpus} CPUs, ${freeMiB} of ${totalMiB} MiB available${full}`,
    facts: { load1, cpus, totalMiB, freeMiB },
  };
}

export function cephReading(healthJson: string, osdJson: string): SubsystemReading {
  const health = parse(CephHealth, healthJson);
  const dump = parse(OsdDump, osdJson);
  if (health === null || dump === null)
    return { ok: false, because: `ceph answered no JSON that we know: ${healthJson.slice(0, 80)}` };
  const up = dump.osds.filter((osd) => osd.up === 1).length;
  const inside = dump.osds.filter((osd) => osd.in === 1).length;
  const level = health.status === 'HEALTH_OK' ? 'ok' : health.status === 'HEALTH_WARN' ? 'warning' : 'error';
  return {
    ok: true,
    health: level,
    summary: `${health.status}, ${up} of ${dump.osds.length} OSDs up, ${inside} in`,
    facts: { status: health.status, osds: dump.osds.length, up, in: inside },
  };
}

/** `virsh -q list --all`: one domain per line, its state from the third column on. */
export function libvirtReading(listing: string): SubsystemReading {
  const lines = listing.split('\n').filter((line) => line.trim() !== '');
  const running = lines.filter((line) => /\srunning\s*$/.test(line)).length;
  return {
    ok: true,
    health: 'ok',
    summary: `${running} of ${lines.length} domains run`,
    facts: { domains: lines.length, running },
  };
}

/** An operator's command: exit 0 is ok, 1 a warning, anything else an error; its first line is shown. */
export function commandReading(code: number, stdout: string, stderr: string): SubsystemReading {
  const summary = (stdout.trim() === '' ? stderr : stdout).trim().split('\n')[0]?.slice(0, 200) ?? '';
  const health = code === 0 ? 'ok' : code === 1 ? 'warning' : 'error';
  return { ok: true, health, summary: summary === '' ? `exit code ${code}` : summary, facts: { exitCode: code } };
}

function parse<T>(schema: z.ZodType<T>, text: string): T | null {
  try {
    const parsed = schema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
