#!/usr/bin/env node
/** noded: reads its configuration, puts the parts together, lives until told to stop. */
import { setMaxListeners } from 'node:events';
import { hostname } from 'node:os';
import { parseArgs } from 'node:util';
import { nodeNamePattern } from '../core/node.ts';
import { configFile, readDevices, readClusterKeys, readConfig } from '../real/config-file.ts';
import { realLog } from '../real/log.ts';
import { threadsOf, threadsWanted } from '../real/lookup.ts';
import { programVersion } from '../real/package.ts';
import { allComplaints } from '../real/power/agent-metadata.ts';
import { realMetrics } from '../real/metrics.ts';
import { missingTools } from '../real/resources/tools.ts';
import { systemdSupervisor } from '../real/systemd/supervisor.ts';
import { handleSignals } from './signals.ts';
import { wireAgent } from './wiring.ts';

const usage = `noded: the agent of nodekeeper; runs on every machine of the cluster.

Usage: noded [--config FILE]

  --config FILE  configuration (default: NODEKEEPER_CONFIG, then /etc/nodekeeper/config.yaml)
  --version      print the version
  --help         print this text

Exit codes: 0 stopped in good order, 1 this life ended (start it again), 2 usage or configuration, 4 the name, or this machine, is taken
`;

function refuse(message: string, code = 2): never {
  process.stderr.write(`noded: ${message}\n`);
  process.exit(code);
}

function options(): { config: string } {
  try {
    const flags = { config: { type: 'string' }, version: { type: 'boolean' }, help: { type: 'boolean' } } as const;
    const { values } = parseArgs({ options: flags });
    if (values.help === true || values.version === true) {
      process.stdout.write(values.help === true ? usage : `${programVersion()}\n`);
      process.exit(0);
    }
    return { config: configFile(values.config) };
  } catch (error) {
    return refuse(`${(error as Error).message}\n\n${usage}`);
  }
}

// Every loop listens to the signal that ends it, and Node.js would warn of the eleventh on standard error.
setMaxListeners(100);

async function main(): Promise<number> {
  const file = options().config;
  const config = readConfig(file);
  if (!config.ok) return refuse(config.message);
  const keys = readClusterKeys(config.value);
  if (!keys.ok) return refuse(keys.message);
  const devices = readDevices(config.value);
  if (!devices.ok) return refuse(devices.message);
  const name = config.value.node.name ?? hostname().split('.')[0]?.toLowerCase() ?? '';
  if (!nodeNamePattern.test(name))
    return refuse(`the host name ${JSON.stringify(name)} is no node name; set node.name in ${file}`);

  const log = realLog(config.value.log.level, name);
  log.info('noded starts', { version: programVersion(), config: file, node: process.version });
  for (const missing of await missingTools(config.value)) log.warn('a program is missing', { because: missing });
  const threads = threadsOf(process.env['UV_THREADPOOL_SIZE']);
  if (threads < threadsWanted)
    log.info('a few name lookups that hang delay all others', {
      because: `UV_THREADPOOL_SIZE allows ${threads} threads, of which lookups get ${Math.floor((threads + 1) / 2)}`,
      whatToDo: `start noded with UV_THREADPOOL_SIZE=${threadsWanted}, as noded.service does`,
    });
  // Not waited for: an agent that hangs must not keep the keepalive from starting.
  void allComplaints(devices.value).then((found) => {
    for (const because of found) log.error('a fence device would fail', { because });
  });
  const supervisor = systemdSupervisor();
  const parts = {
    config: config.value,
    name,
    version: programVersion(),
    keys: keys.value,
    devices: devices.value,
    log,
    supervisor,
    metrics: realMetrics(),
  };
  const wire = async () => {
    const made = await wireAgent(parts);
    return typeof made === 'string' ? refuse(made, 4) : made;
  };
  let wired = await wire();
  handleSignals({ current: () => wired, log, supervisor, configFile: file, config: config.value, keys: keys.value });
  let ending = await wired.agent.run();
  while (ending.kind === 'left') {
    // Out of the cluster, but not gone: the next life waits outside until somebody says "nodectl join".
    log.info('left', { because: ending.because });
    wired = await wire();
    ending = await wired.agent.run();
  }
  log.info('noded ends', { ending: ending.kind, because: ending.because, droppedLogLines: log.dropped() });
  if (ending.kind !== 'stopped') process.stderr.write(`noded: ${ending.because}\n`);
  await log.flush(500);
  // Node.js joins its threads when it exits, and one that waits for a hung disk never comes back (measured).
  if (wired.agent.board.diskTrouble !== null) process.kill(process.pid, 'SIGKILL');
  return ending.kind === 'stopped' ? 0 : ending.kind === 'name-taken' ? 4 : 1;
}

process.exit(await main());
