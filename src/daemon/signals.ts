/**
 * What signals do. SIGTERM and SIGINT: stop in good order; a second one: stop now. SIGHUP: the configuration is read anew; what
 * can be taken up is, and what cannot is said. SIGQUIT: what this noded holds true is written to the log; it goes on.
 */
import { changesOf } from '../config/changes.ts';
import type { Config } from '../config/load.ts';
import { readClusterKeys, readConfig } from '../real/config-file.ts';
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
  process.on('SIGQUIT', () => log.info('state', current().agent.state()));
  process.on('SIGHUP', () => {
    supervisor.reloading();
    reload(log, configFile, config);
    exchangeKeys(log, config, keys);
    current().renewCertificate();
    supervisor.reloaded();
  });
}

/** `running` is what this process was started with. */
function reload(log: RealLog, configFile: string, running: Config): void {
  const read = readConfig(configFile);
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
function exchangeKeys(log: RealLog, config: Config, keys: KeyRing): void {
  const read = readClusterKeys(config);
  if (!read.ok) {
    log.error('the cluster keys cannot be read; the old ones stay', { because: read.message });
    return;
  }
  const names = read.value.keyNames().join(', ');
  if (names === keys.keyNames().join(', ')) return;
  keys.exchange(read.value.all);
  log.info('the cluster keys were exchanged', { names, writesWith: keys.first.name });
}
