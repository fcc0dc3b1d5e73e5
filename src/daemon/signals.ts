/**
 * What signals do. SIGTERM and SIGINT: stop in good order; a second one: stop now. SIGHUP: the configuration is checked
 * and the answer logged. SIGQUIT: what this noded holds true is written to the log; it goes on.
 */
import type { Agent } from '../agent/agent.ts';
import { readConfig } from '../real/config-file.ts';
import type { RealLog } from '../real/log.ts';

export function handleSignals(current: () => Agent, log: RealLog, configFile: string): void {
  let asked = false;
  const stop = (signal: string) => {
    current().stop(asked ? 'fast' : 'graceful', signal);
    log.info(asked ? 'stopping at once' : 'stopping', { signal });
    asked = true;
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGQUIT', () => log.info('state', current().state()));
  process.on('SIGHUP', () => {
    const read = readConfig(configFile);
    if (read.ok) log.warn('the configuration is valid; restart noded to use it', { configFile });
    else log.error('the configuration is not valid; the old one stays', { because: read.message });
  });
}
