/** The programs that this noded will need, and which of them this machine lacks: told beforehand, not at three. */
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../../config/load.ts';
import { notInstalled } from '../process/packages.ts';

/** One sentence per missing program; empty: all are there. */
export async function missingTools(config: Config): Promise<string[]> {
  const needed = new Map<string, string>();
  if (config.node.role === 'coordinator') needed.set('ipmitool', 'no node is fenced through its BMC from here');
  if (config.vms.enabled) needed.set('virsh', 'no VM runs here');
  for (const { agent } of config.fencing.devices) needed.set(agent, 'others may have it, this machine cannot use it');
  for (const resource of config.primary.resources) {
    if (resource.type === 'unit') needed.set('systemctl', `the unit ${resource.unit} cannot be started or stopped`);
    if (resource.type !== 'address') continue;
    needed.set('ip', `the address ${resource.address} cannot be moved`);
    const isV6 = resource.address.includes(':');
    const unheard = `nobody is told that ${resource.address} has moved: its neighbours find out when their caches expire`;
    needed.set(isV6 ? 'ndptool' : 'arping', unheard);
  }
  const [reset = ''] = config.node.resetCommand;
  if (config.primary.resources.length > 0)
    needed.set(reset, 'a machine that cannot stop its resources cannot reset itself');
  const found: string[] = [];
  for (const [program, consequence] of needed)
    if (!(await isInstalled(program))) found.push(`${notInstalled(program)}: ${consequence}`);
  return found;
}

async function isInstalled(program: string): Promise<boolean> {
  const places = program.includes('/')
    ? [program]
    : (process.env['PATH'] ?? '').split(':').map((dir) => join(dir, program));
  for (const place of places) {
    try {
      await access(place, constants.X_OK);
      return true;
    } catch {
      continue; // not in this place
    }
  }
  return false;
}
