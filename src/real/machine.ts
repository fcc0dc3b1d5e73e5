/** What this machine says of itself. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { MachineIdentity } from '../environment/environment.ts';

export function machineIdentity(): MachineIdentity {
  const systemGuid = firstLine('/sys/class/dmi/id/product_uuid');
  return {
    bootId: firstLine('/proc/sys/kernel/random/boot_id') ?? 'unknown',
    machineId: firstLine('/etc/machine-id') ?? `host ${hostname()}`,
    hostname: hostname(),
    pid: process.pid,
    systemGuid:
      systemGuid === null || !/^[0-9a-f-]{36}$/i.test(systemGuid) || /^[0-]+$/.test(systemGuid) ? null : systemGuid,
  };
}

/** Whether `pid` is a living noded: a number alone may long belong to somebody else. */
export function nodedLives(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return /daemon\/main|noded/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false; // no such process
  }
}

function firstLine(file: string): string | null {
  try {
    const line = readFileSync(file, 'utf8').split('\n')[0]?.trim() ?? '';
    return line === '' ? null : line;
  } catch {
    return null; // this machine does not tell
  }
}
