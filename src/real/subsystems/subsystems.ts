/** The subsystems that the configuration asks for. Each is a command with a deadline, or a file of /proc. */
import { readFile, statfs } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Config } from '../../config/load.ts';
import type { Power } from '../../environment/power.ts';
import type { Subsystem, SubsystemReading } from '../../environment/subsystem.ts';
import type { IpmiDevice } from '../../records/device.ts';
import { within } from '../last-good.ts';
import { run } from '../process/runner.ts';
import { cephReading, commandReading, libvirtReading, systemReading } from './readings.ts';

export function realSubsystems(config: Config, power: Power, bmc: IpmiDevice | null): Subsystem[] {
  const { system, ceph, libvirt, ipmi, commands } = config.subsystems;
  const found: Subsystem[] = [];
  if (system.enabled) {
    const room = roomOf(config.node.stateDir);
    found.push({ name: 'system', timeoutMs: system.timeout, collect: () => collectSystem(room, system.timeout) });
  }
  if (ceph.enabled) found.push({ name: 'ceph', timeoutMs: ceph.timeout, collect: () => collectCeph(ceph.timeout) });
  if (libvirt.enabled)
    found.push({ name: 'libvirt', timeoutMs: libvirt.timeout, collect: () => collectLibvirt(libvirt.timeout) });
  if (ipmi.enabled && bmc !== null) {
    found.push({ name: 'ipmi', timeoutMs: ipmi.timeout, collect: () => collectIpmi(power, bmc, ipmi.timeout) });
  }
  for (const { name, command, timeout } of commands) {
    found.push({ name, timeoutMs: timeout, collect: () => collectCommand(command, timeout) });
  }
  return found;
}

interface Room {
  readonly dir: string;
  readonly freeBytes: number;
}

/** What is left on the disk of a folder; null: unknown. A disk that hangs is asked once, and keeps one thread. */
function roomOf(dir: string): () => Promise<Room | null> {
  let asked: Promise<Room | null> | null = null;
  return () =>
    (asked ??= statfs(dir)
      .then(({ bavail, bsize }) => ({ dir, freeBytes: bavail * bsize }))
      .catch(() => null) // it is made when the first file is written
      .finally(() => (asked = null)));
}

async function collectSystem(room: () => Promise<Room | null>, timeoutMs: number): Promise<SubsystemReading> {
  try {
    const files = ['/proc/loadavg', '/proc/meminfo'].map((file) => readFile(file, 'utf8'));
    const left = within(room(), timeoutMs / 2).catch(() => null); // the disk's own trouble is told by the agent (agent/disk.ts)
    const [[load = '', memory = ''], free] = await within(Promise.all([Promise.all(files), left]), timeoutMs);
    return systemReading(load, memory, availableParallelism(), free);
  } catch (error) {
    return { ok: false, because: (error as Error).message };
  }
}

async function collectCeph(timeoutMs: number): Promise<SubsystemReading> {
  const half = Math.round(timeoutMs / 2);
  const seconds = String(Math.max(1, Math.floor(half / 1000)));
  const args = ['--connect-timeout', seconds, '--format', 'json'];
  const health = await run('ceph', [...args, 'health'], { deadlineMs: half });
  if (health.kind !== 'exited') return late('ceph health', health);
  const osds = await run('ceph', [...args, 'osd', 'dump'], { deadlineMs: half });
  if (osds.kind !== 'exited') return late('ceph osd dump', osds);
  if (health.code !== 0)
    return { ok: false, because: `ceph health: exit code ${health.code}: ${health.stderr.slice(0, 160)}` };
  return cephReading(health.stdout, osds.stdout);
}

async function collectLibvirt(timeoutMs: number): Promise<SubsystemReading> {
  const listed = await run('virsh', ['-q', '-c', 'qemu:///system', 'list', '--all'], { deadlineMs: timeoutMs });
  if (listed.kind !== 'exited') return late('virsh list', listed);
  if (listed.code !== 0) return { ok: false, because: `virsh list: ${listed.stderr.slice(0, 160)}` };
  return libvirtReading(listed.stdout);
}

async function collectIpmi(power: Power, bmc: IpmiDevice, timeoutMs: number): Promise<SubsystemReading> {
  const reading = await power.read(bmc, timeoutMs);
  if (reading.power === 'unknown')
    return { ok: true, health: 'error', summary: reading.because, facts: { fault: reading.fault } };
  return {
    ok: true,
    health: 'ok',
    summary: `the own BMC answers (power ${reading.power})`,
    facts: { tookMs: Math.round(reading.tookMs) },
  };
}

async function collectCommand(command: readonly string[], timeoutMs: number): Promise<SubsystemReading> {
  const [program = '', ...args] = command;
  const result = await run(program, args, { deadlineMs: timeoutMs });
  if (result.kind !== 'exited') return late(program, result);
  return commandReading(result.code, result.stdout, result.stderr);
}

function late(what: string, result: Exclude<Awaited<ReturnType<typeof run>>, { kind: 'exited' }>): SubsystemReading {
  if (result.kind === 'timed-out')
    return { ok: false, because: `${what}: no answer within ${Math.round(result.tookMs)} ms; killed` };
  return { ok: false, because: `${what}: ${result.because}` };
}
