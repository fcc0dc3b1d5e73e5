/**
 * Whether a watchdog holds although the machine may sleep (S1c): softdog, iTCO_wdt, i6300esb and most others stand still in suspend,
 * and what slept would wake up with what it held. Only masked targets count, or a kernel that cannot sleep: a sleep inhibitor ends
 * with the process that holds it, and "systemctl suspend -i" passes it by.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { SleepCover } from '../environment/watchdog.ts';

export interface SleepFiles {
  /** Where the kernel says how it can sleep. */
  readonly powerState: string;
  /** Where a masked unit is a link to /dev/null. */
  readonly unitFolders: readonly string[];
}

export const sleepFiles: SleepFiles = {
  powerState: '/sys/power/state',
  unitFolders: ['/etc/systemd/system', '/run/systemd/system'],
};

/** Drivers whose timer is the BMC's: it counts whatever the machine does. */
const countsInSleep = /^IPMI/i;
/** systemd pulls the first in whenever the machine is to sleep; or each way is shut by itself. */
const sleepTarget = 'sleep.target';
const waysToSleep = ['suspend.target', 'hibernate.target', 'hybrid-sleep.target', 'suspend-then-hibernate.target'];

/** `identity`: what the kernel calls the watchdog (/sys/class/watchdog/NAME/identity); empty: it does not say. */
export function sleepCover(identity: string, files: SleepFiles = sleepFiles): SleepCover {
  if (countsInSleep.test(identity)) return { covered: true, because: `${identity} counts while the machine sleeps` };
  const states = readOrNull(files.powerState);
  if (states !== null && states.trim() === '') return { covered: true, because: 'the kernel cannot sleep' };
  const isMasked = (unit: string) => files.unitFolders.some((folder) => linkOrNull(join(folder, unit)) === '/dev/null');
  if (isMasked(sleepTarget)) return { covered: true, because: `the machine cannot sleep: ${sleepTarget} is masked` };
  if (waysToSleep.every(isMasked))
    return { covered: true, because: `the machine cannot sleep: ${waysToSleep.join(', ')} are masked` };
  const name = identity === '' ? 'the watchdog' : identity;
  return {
    covered: false,
    because: `${name} may stand still while the machine sleeps, and the machine can sleep; run "systemctl mask ${sleepTarget}"`,
  };
}

function readOrNull(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null; // this kernel does not say
  }
}

function linkOrNull(file: string): string | null {
  try {
    return readlinkSync(file);
  } catch {
    return null; // no such file, or no link
  }
}
