/**
 * The kernel's watchdog device: opening it arms it, every byte feeds it, closing it after a `V` disarms it, closing it
 * otherwise leaves it armed (Linux: Documentation/watchdog/watchdog-api.rst). The timeout is set by wdctl, for it needs an
 * ioctl, and read back from sysfs: many drivers round it, some count a fixed time. A FIFO is taken for a watchdog that another
 * program plays, which keeps its own time. sysfs is read synchronously: the kernel answers, whatever the disks do.
 */
import { closeSync, constants, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Armed, Watchdog } from '../environment/watchdog.ts';
import { run } from './process/runner.ts';
import type { SleepFiles } from './sleep-cover.ts';
import { sleepCover, sleepFiles } from './sleep-cover.ts';

export interface WatchdogOptions {
  readonly device: string;
  readonly timeoutMs: number;
  /** Where the kernel tells what its watchdogs are and count. */
  readonly sysfs?: string;
  readonly sleep?: SleepFiles;
}

export function deviceWatchdog(options: WatchdogOptions): Watchdog {
  const { device, timeoutMs, sysfs = '/sys/class/watchdog', sleep = sleepFiles } = options;
  let descriptor: number | null = null;
  const told = (file: string) => tell(join(sysfs, sysfsName(device), file));
  return {
    async arm() {
      const kind = kindOf(device);
      if (kind === 'none')
        return no(
          `${device} does not exist, or is no watchdog; is its kernel module loaded (softdog, iTCO_wdt, ipmi_watchdog)?`,
        );
      const counted = kind === 'fifo' ? timeoutMs : await setTimeoutOf(device, timeoutMs, () => told('timeout'));
      if (typeof counted === 'string') return no(counted);
      const opened = open(device);
      if (typeof opened === 'string') return no(opened);
      descriptor = opened;
      return { armed: true, timeoutMs: counted, sleep: sleepCover(told('identity'), sleep) };
    },
    feed() {
      if (descriptor === null) return;
      try {
        // Synchronous on purpose: a thread pool that hangs on a dead disk must not starve it.
        writeSync(descriptor, '\0');
      } catch {
        return; // the device is gone or its reader does not follow: then it is not fed, and does what it is for
      }
    },
    disarm() {
      if (descriptor === null) return Promise.resolve(null);
      if (told('nowayout') === '1') return Promise.resolve(`${device} was loaded with nowayout: it cannot be disarmed`);
      const failed = close(descriptor);
      if (failed === null) descriptor = null;
      return Promise.resolve(failed);
    },
  };
}

/** From the opening on it ticks: what cannot be fed at once is closed again. A sentence instead: why not. */
function open(device: string): number | string {
  let opened: number | null = null;
  try {
    // Not blocking: a FIFO that nobody reads is no watchdog, and must not hold us up.
    opened = openSync(device, constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(opened, '\0');
    return opened;
  } catch (error) {
    const left = opened === null ? null : close(opened);
    return `${device} could not be opened: ${(error as Error).message}${left === null ? '' : `, nor closed: ${left}`}; does another program hold it (sbd, watchdogd, systemd's RuntimeWatchdogSec)?`;
  }
}

/** With the `V` that disarms it. Null: it is closed; else why not. */
function close(descriptor: number): string | null {
  try {
    writeSync(descriptor, 'V');
    closeSync(descriptor);
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

function kindOf(device: string): 'device' | 'fifo' | 'none' {
  try {
    const stat = statSync(device);
    return stat.isCharacterDevice() ? 'device' : stat.isFIFO() ? 'fifo' : 'none';
  } catch {
    return 'none'; // it does not exist
  }
}

/** What the device counts from now on, in ms; a sentence instead: why nobody knows. */
async function setTimeoutOf(device: string, timeoutMs: number, told: () => string): Promise<number | string> {
  const seconds = Math.round(timeoutMs / 1000);
  const set = await run('wdctl', ['--settimeout', String(seconds), device], { deadlineMs: 5000 });
  if (set.kind !== 'exited')
    return `wdctl: ${set.kind === 'timed-out' ? 'no answer within 5 s' : set.because}; its timeout cannot be set (Debian: util-linux)`;
  const counted = Number(told());
  if (!Number.isInteger(counted) || counted <= 0)
    return `the timeout of ${device} cannot be read from sysfs, and so not be relied upon: ${set.stderr.slice(0, 160)}`;
  return counted * 1000;
}

/** A file of sysfs; empty: the kernel does not tell. */
function tell(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/** /dev/watchdog is the first one's old name. */
function sysfsName(device: string): string {
  const name = basename(device);
  return name === 'watchdog' ? 'watchdog0' : name;
}

function no(because: string): Armed {
  return { armed: false, because };
}
