/**
 * What signals do. SIGTERM and SIGINT: stop in good order; a second one: stop now. SIGHUP: the configuration is read anew; what
 * can be taken up is, and what cannot is said. SIGQUIT: what this noded holds true, and how many
 * maps, watches, timers and sockets it holds, is written to the log; it goes on.
 */
import { changesOf } from '../config/changes.ts';
import type { Config } from '../config/load.ts';
import { readClusterKeysAgain, readConfigAgain } from '../real/config-file.ts';
import type { RealLog } from '../real/log.ts';
import type { KeyRing } from '../real/secrets.ts';
import type { SystemdSupervisor } from '../real/systemd/supervisor.ts';
import type { Wired } from './wiring.ts';

export interface Signalled {
  readonly current: () => Wired;
  readonly log: RealLog;
  readonly supervisor: SystemdSupervisor;
  readonly configFile: string;
  readonly config: Config;
  readonly keys: KeyRing;
}

export function handleSignals({ current, log, supervisor, configFile, config, keys }: Signalled): void {
  let asked = false;
  const stop = (signal: string) => {
    current().agent.stop(asked ? 'fast' : 'graceful', signal);
    log.info(asked ? 'stopping at once' : 'stopping', { signal });
    asked = true;
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGQUIT', () => log.info('state', { ...current().agent.state(), process: processCounts() }));
  // One after another, and in the background: a disk that hangs under the files must not stop the keepalives.
  let reloaded = Promise.resolve();
  process.on('SIGHUP', () => {
    reloaded = reloaded.then(async () => {
      supervisor.reloading();
      await reload(log, configFile, config);
      await exchangeKeys(log, config, keys);
      await current().renewCertificate();
      supervisor.reloaded();
    });
  });
}

/** What would grow if something were not given back: timers, sockets and child processes by kind, listeners, memory. */
function processCounts(): Record<string, unknown> {
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const { rss, heapUsed } = process.memoryUsage();
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
  return { uptimeS: Math.round(process.uptime()), rssMiB: mib(rss), heapMiB: mib(heapUsed), listeners, resources };
}

/** `running` is what this process was started with. */
async function reload(log: RealLog, configFile: string, running: Config): Promise<void> {
  const read = await readConfigAgain(configFile);
  if (!read.ok) {
    log.error('the configuration is not valid; the old one stays', { because: read.message });
    return;
  }
  const { now, later } = changesOf(running, read.value);
  log.setLevel(read.value.log.level);
  if (later.length === 0) log.info('the configuration was taken up', { configFile, keys: now.join(', ') });
  else log.warn('a part of the configuration waits for a restart of noded', { configFile, keys: later.join(', ') });
}

/** The key file may hold other keys now (docs/SECURITY.md, a change of keys). */
async function exchangeKeys(log: RealLog, config: Config, keys: KeyRing): Promise<void> {
  const read = await readClusterKeysAgain(config);
  if (!read.ok) {
    log.error('the cluster keys cannot be read; the old ones stay', { because: read.message });
    return;
  }
  const names = read.value.keyNames().join(', ');
  if (names === keys.keyNames().join(', ')) return;
  keys.exchange(read.value.all);
  log.info('the cluster keys were exchanged', { names, writesWith: keys.first.name });
}
