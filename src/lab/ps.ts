/** scripts/lab ps: the hosts as they are. */
import { readFileSync } from 'node:fs';
import type { Lab } from './lab.ts';
import { isAlive, virtualAddress } from './lab.ts';
import { readStatus } from './status.ts';

export interface HostRow {
  readonly name: string;
  readonly address: string;
  readonly bmc: string;
  readonly power: 'on' | 'off';
  readonly initPid: number | null;
  readonly nodedPid: number | null;
  readonly nodedState: string;
  readonly vip: string;
}

/** One row per host; pids are those of the machine. */
export async function hostRows(lab: Lab): Promise<HostRow[]> {
  const states = new Map((await readStatus(lab)).map((node) => [node.name, node.state]));
  return lab.hosts().map((name) => {
    const index = Number(name.slice(4));
    const initPid =
      lab
        .pidsOf(name, /host-init\.sh|systemd/)
        .filter((pid) => isAlive(pid) && isInit(pid))
        .at(0) ?? null;
    return {
      name,
      address: `10.77.0.${10 + index}`,
      bmc: `10.78.0.${10 + index}:623`,
      power: initPid === null ? 'off' : 'on',
      initPid,
      nodedPid: lab.pidsOf(name, /dist\/daemon\/main\.js/).at(0) ?? null,
      nodedState: states.get(name) ?? 'unknown',
      vip: virtualAddress,
    };
  });
}

/** PID 1 of its own namespace. */
function isInit(pid: number): boolean {
  const line = readFileSync(`/proc/${pid}/status`, 'utf8')
    .split('\n')
    .find((text) => text.startsWith('NSpid:'));
  return line?.trim().endsWith('\t1') === true;
}
