/**
 * The kernel's watchdog device: opening it arms it, every byte feeds it, closing it after a `V` disarms it, closing it
 * otherwise leaves it armed (Linux: Documentation/watchdog/watchdog-api.rst). The timeout is set by wdctl, for it needs an
 * ioctl, and read back from sysfs. A FIFO is taken for a watchdog that another program plays, which keeps its own time.
 */
import { closeSync, constants, openSync, statSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Armed, Watchdog } from '../environment/watchdog.ts';
import { run } from './process/runner.ts';

export interface WatchdogOptions {
  readonly device: string;
  readonly timeoutMs: number;
  /** Where the kernel tells what its watchdogs count. */
  readonly sysfs?: string;
}

export function deviceWatchdog({ device, timeoutMs, sysfs = '/sys/class/watchdog' }: WatchdogOptions): Watchdog {
  let descriptor: number | null = null;
  return {
    async arm() {
      const kind = kindOf(device);
      if (kind === 'none')
        return no(
          `${device} does not exist, or is no watchdog; is its kernel module loaded (softdog, iTCO_wdt, ipmi_watchdog)?`,
        );
      const counted =
        kind === 'fifo' ? ({ armed: true, timeoutMs } as const) : await setTimeoutOf(device, timeoutMs, sysfs);
      if (!counted.armed) return counted;
      try {
        // Not blocking: a FIFO that nobody reads is no watchdog, and must not hold us up.
        descriptor = openSync(device, constants.O_WRONLY | constants.O_NONBLOCK);
        writeSync(descriptor, '\0');
        return counted;
      } catch (error) {
        descriptor = null;
        return no(
          `${device} could not be opened: ${(error as Error).message}; does another program hold it (sbd, watchdogd, systemd's RuntimeWatchdogSec)?`,
        );
      }
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
    async disarm() {
      if (descriptor === null) return null;
      const name = sysfsName(device);
      const stuck = await readFile(`${sysfs}/${name}/nowayout`, 'utf8').catch(() => '0');
      if (stuck.trim() === '1') return `${device} was loaded with nowayout: it cannot be disarmed`;
      try {
        writeSync(descriptor, 'V');
        closeSync(descriptor);
        descriptor = null;
        return null;
      } catch (error) {
        return (error as Error).message;
      }
    },
  };
}

function kindOf(device: string): 'device' | 'fifo' | 'none' {
  try {
    const stat = statSync(device);
    return stat.isCharacterDevice() ? 'device' : stat.isFIFO() ? 'fifo' : 'none';
  } catch {
    return 'none'; // it does not exist
  }
}

async function setTimeoutOf(device: string, timeoutMs: number, sysfs: string): Promise<Armed> {
  const seconds = Math.round(timeoutMs / 1000);
  const set = await run('wdctl', ['--settimeout', String(seconds), device], { deadlineMs: 5000 });
  if (set.kind !== 'exited')
    return no(
      `wdctl: ${set.kind === 'timed-out' ? 'no answer within 5 s' : set.because}; its timeout cannot be set (Debian: util-linux)`,
    );
  const told = await readFile(`${sysfs}/${sysfsName(device)}/timeout`, 'utf8').catch(() => '');
  const counted = Number(told.trim());
  if (told.trim() === '' || !Number.isInteger(counted))
    return no(
      `the timeout of ${device} cannot be read (${sysfs}/${sysfsName(device)}/timeout), and so not be relied upon: ${set.stderr.slice(0, 160)}`,
    );
  return { armed: true, timeoutMs: counted * 1000 };
}

/** /dev/watchdog is the first one's old name. */
function sysfsName(device: string): string {
  const name = basename(device);
  return name === 'watchdog' ? 'watchdog0' : name;
}

function no(because: string): Armed {
  return { armed: false, because };
}
