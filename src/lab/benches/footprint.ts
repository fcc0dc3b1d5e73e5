/** scripts/bench footprint: what a noded costs its machine: resident memory and share of a core, at the default beat. */
import { readFileSync } from 'node:fs';
import type { Lab } from '../lab.ts';
import { pause } from '../lab.ts';
import { hostRows } from '../ps.ts';
import { up } from '../up.ts';
import { healthy, say } from './common.ts';

/** As Linux counts processor time for user space, whatever the kernel's own HZ is. */
const ticksPerSecond = 100;

export async function footprint(lab: Lab, seconds: number): Promise<Record<string, unknown>> {
  await up(lab, { nodes: 3, zookeepers: 3, set: ['subsystems.ipmi.enabled=true'], say });
  await healthy(lab);
  const nodeds = (await hostRows(lab)).flatMap(({ name, nodedPid }) => (nodedPid === null ? [] : [{ name, nodedPid }]));
  const before = new Map(nodeds.map(({ name, nodedPid }) => [name, ticksOf(nodedPid)]));
  say(`3 nodes at the default beat; ${seconds} s`);
  await pause(seconds * 1000);
  return Object.fromEntries(
    nodeds.map(({ name, nodedPid }) => {
      const used = (ticksOf(nodedPid) - (before.get(name) ?? 0)) / ticksPerSecond;
      const memory = memoryOf(nodedPid);
      return [name, { 'of a core (%)': Number(((used / seconds) * 100).toFixed(2)), ...memory }];
    }),
  );
}

/** utime + stime of noded itself. */
function ticksOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [11, 12].reduce((sum, at) => sum + Number(fields[at]), 0);
}

function memoryOf(pid: number): Record<string, number> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (key: string) => Math.round(Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024);
  return { 'resident (MiB)': mib('VmRSS'), 'peak (MiB)': mib('VmHWM') };
}
