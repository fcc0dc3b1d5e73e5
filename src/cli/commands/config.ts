/** nodectl config check|show|schema. */
import { printDuration } from '../../config/duration.ts';
import type { Config } from '../../config/load.ts';
import { configJsonSchema } from '../../config/load.ts';
import { durationKeys } from '../../config/reference.ts';
import { watchdogFeedMs, worstCase } from '../../config/timing.ts';
import { fenceLevels } from '../../config/fence-levels.ts';
import { inWords } from '../../core/decision.ts';
import { clockRateError } from '../../core/lease.ts';
import { inWords as shownInWords } from '../../core/one-store.ts';
import { keyFileComplaints, readClusterKeys, readDevices } from '../../real/config-file.ts';
import { allComplaints } from '../../real/power/agent-metadata.ts';
import { missingTools } from '../../real/resources/tools.ts';
import { stringify } from 'yaml';
import type { Command } from '../command.ts';
import { flag, jsonOption } from '../command.ts';
import { apiAddressComplaints } from '../../config/api-address.ts';
import { loadedConfig } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { inspectServers, judgeServers } from '../one-store.ts';
import type { InspectedServer } from '../one-store.ts';
import type { Output } from '../output.ts';

const check: Command = {
  usage: 'check',
  describe: 'Check the configuration, its key and password files and its timings; print the worst case to recovery.',
  options: {
    connect: {
      type: 'boolean',
      default: false,
      describe: 'ask each ZooKeeper server, too: whether they are one ensemble and hold one cluster id; exit 1 if not',
    },
    ...jsonOption,
  },
  examples: [
    ['nodectl config check --config ./config.yaml', 'check a file before it is installed'],
    ['nodectl config check --connect', 'find ZooKeeper servers that belong to another store'],
  ],
  async run(args, output) {
    const { config, file } = loadedConfig(args);
    const missing = await missingTools(config);
    const devices = readDevices(config);
    const secrets = [readClusterKeys(config), devices].flatMap((read) => (read.ok ? [] : [read.message]));
    const files = [...secrets, ...keyFileComplaints(config), ...apiAddressComplaints(config)];
    if (files.length > 0) throw new CommandError(exitCodes.usage, files.join('\n'));
    const complaints = await allComplaints(devices.ok ? devices.value : []);
    if (complaints.length > 0)
      throw new CommandError(
        exitCodes.usage,
        complaints.map((sentence) => `${file}: fencing.devices: ${sentence}`).join('\n'),
      );
    const store = flag(args, 'connect') ? await storeOf(config) : null;
    const steps = worstCase(config);
    const totalMs = steps.reduce((sum, step) => sum + step.ms, 0);
    if (flag(args, 'json'))
      output.json({
        file,
        ok: store === null || store.faults.length === 0,
        missing,
        store,
        worstCase: steps,
        totalMs,
        timing: config.timing,
      });
    else {
      output.line(`${file}: valid`);
      const levels = fenceLevels(config);
      if (!levels.flat().some((name) => name !== 'manual'))
        output.line(
          output.paint('yellow', '! no bmc section and no device: nobody will be able to fence this machine'),
        );
      else output.line(`fenced by: ${levels.map((level) => level.join(' and ')).join(', then ')}`);
      for (const sentence of missing) output.line(output.paint('yellow', `! ${sentence}`));
      if (store !== null) printStore(store, output);
      output.line();
      output.line('worst case from the last keepalive of a dying primary to its resources on another node:');
      for (const step of steps)
        output.line(`  ${inWords(step.ms).padStart(8)}  ${step.step}\n${' '.repeat(12)}= ${step.sum}`);
      output.line(`  ${inWords(totalMs).padStart(8)}  in all`);
      const { leaseMs, renewalMs, stopBoundMs, graceMs } = config.timing;
      output.line();
      output.line('a primary that is cut off stops by itself:');
      output.line(
        `  ${inWords(leaseMs).padStart(8)}  after its last proof at most: the lease, 2/3 of the session; renewed every ${inWords(renewalMs)}`,
      );
      output.line(
        `  ${inWords(stopBoundMs).padStart(8)}  later at most everything has stopped (the longest stopTimeout + 1 s), or the machine resets itself`,
      );
      output.line(
        `  ${inWords(graceMs).padStart(8)}  is what a successor would have to wait besides if it relied on that; it never does: it waits for power off`,
      );
      printWatchdog(config, output);
    }
    return store === null || store.faults.length === 0 ? exitCodes.done : exitCodes.failed;
  },
};

type StoreFindings = ReturnType<typeof judgeServers> & { readonly servers: readonly InspectedServer[] };

async function storeOf(config: Config): Promise<StoreFindings> {
  const keys = readClusterKeys(config);
  if (!keys.ok) throw new CommandError(exitCodes.usage, keys.message);
  const servers = await inspectServers(config, keys.value);
  return { servers, ...judgeServers(servers) };
}

function printStore({ servers, faults, doubts }: StoreFindings, output: Output): void {
  for (const { server, shape, shown } of servers)
    output.line(`ZooKeeper ${server}: ${shape.mode ?? 'mode not told'}, ${shownInWords(shown)}`);
  for (const sentence of faults) output.line(output.paint('red', `! ${sentence}`));
  for (const sentence of doubts) output.line(output.paint('yellow', `! ${sentence}`));
}

/** The whole inequality on which the peers rely when they wait for this machine's watchdog (S1c). */
function printWatchdog({ node, timing }: Config, output: Output): void {
  if (node.watchdog === undefined || timing.watchdogBoundMs === null) return;
  const row = (ms: number, text: string) => output.line(`  ${inWords(ms).padStart(8)}  ${text}`);
  output.line();
  output.line(`its watchdog (${node.watchdog.device}) enforces that, also when noded hangs:`);
  row(timing.leaseMs, 'lease: so long after its last acknowledged keepalive it may still hold the role');
  row(
    timing.stopBoundMs,
    'within this everything is stopped; after that the watchdog is not fed while anything is held',
  );
  row(watchdogFeedMs, 'between two feedings');
  row(node.watchdog.timeout, 'timeout of the watchdog itself');
  row(timing.watchdogBoundMs, 'the bound that this machine publishes once its watchdog is armed');
  row(
    Math.ceil(timing.watchdogBoundMs * (1 + 2 * clockRateError)),
    `what its peers wait on their own clocks from its last keepalive on: bound x (1 + 2 x ${clockRateError})`,
  );
}

const show: Command = {
  usage: 'show',
  describe: 'Print the whole configuration, with defaults and derived values filled in.',
  options: jsonOption,
  run(args, output) {
    const shown = readable(loadedConfig(args).config);
    if (flag(args, 'json')) output.json(shown);
    else output.line(stringify(shown).trimEnd());
    return Promise.resolve(exitCodes.done);
  },
};

const schema: Command = {
  usage: 'schema',
  describe: 'Print the JSON schema of the configuration, for editors.',
  run(_args, output) {
    output.json(configJsonSchema());
    return Promise.resolve(exitCodes.done);
  },
};

export const config: Command = {
  usage: 'config',
  describe: 'Check or show the configuration.',
  commands: [check, show, schema],
};

/** Durations as people write them. */
export function readable(config: Config): unknown {
  const { timing, ...written } = config;
  const derived = Object.fromEntries(
    Object.entries(timing).map(([key, ms]) => [
      key.replace(/Ms$/, ''),
      ms === null ? 'none' : printDuration(ms as number),
    ]),
  );
  const durations = durationKeys();
  const walk = (value: unknown, key: string): unknown => {
    if (typeof value === 'number' && durations.has(key)) return printDuration(value);
    if (Array.isArray(value)) return value.map((item: unknown) => walk(item, ''));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, walk(item, name)]));
  };
  return { ...(walk(written, '') as object), derived };
}
