/** The configuration that `nodectl simulate` plays: the one of this machine, or another, with values changed on the command line. */
import { existsSync } from 'node:fs';
import { parse, parseDocument } from 'yaml';
import type { Config } from '../../../config/load.ts';
import { loadConfig, printErrors } from '../../../config/load.ts';
import { configFile, defaultConfigFile } from '../../../real/config-file.ts';
import { configurationFile } from '../../../real/config-file.ts';
import { readGuarded } from '../../../real/guarded-file.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';

export interface OwnConfig {
  readonly config: Config;
  /** What people read: which configuration this is. */
  readonly from: string;
}

/** Before anything is installed: every value at its default. */
const defaults = `
cluster: { name: simulated }
zookeeper: { servers: ['zk1:2181', 'zk2:2181', 'zk3:2181'] }
bmc: { address: bmc, username: nodekeeper, passwordFile: /etc/nodekeeper/bmc.password }
primary: { resources: [{ type: address, name: vip, address: 192.0.2.1/24, interface: eth0 }] }
`;

/** `changes`: "section.key=value", the value as YAML. Throws (exit 2) what is wrong, and where. */
export function ownConfig(option: string | undefined, changes: readonly string[]): OwnConfig {
  const file = configFile(option);
  const isDefault = option === undefined && file === defaultConfigFile && !existsSync(file);
  const text = isDefault ? defaults : textOf(file);
  const name = isDefault ? 'the defaults' : file;
  const document = parseDocument(text);
  // A file that is no YAML is told by the loader, with line and column.
  if (document.errors.length === 0)
    for (const change of changes) {
      const [, path = '', value = ''] = /^([A-Za-z]+(?:\.[A-Za-z]+)*)=(.*)$/s.exec(change) ?? [];
      if (path === '')
        throw new CommandError(
          exitCodes.usage,
          `--set takes section.key=value, such as keepalive.interval=2s; got "${change}"`,
        );
      try {
        document.setIn(path.split('.'), parse(value));
      } catch (error) {
        throw new CommandError(exitCodes.usage, `--set ${change}: ${(error as Error).message.split('\n')[0] ?? ''}`);
      }
    }
  const loaded = loadConfig(changes.length === 0 ? text : String(document));
  if (!loaded.ok) {
    // The lines of a text that nobody sees help nobody.
    const isSeen = changes.length === 0 && !isDefault;
    const errors = isSeen ? loaded.errors : loaded.errors.map((error) => ({ ...error, line: null, column: null }));
    const where = changes.length === 0 ? name : `${name} with --set ${changes.join(' --set ')}`;
    throw new CommandError(exitCodes.usage, printErrors(where, errors));
  }
  return { config: loaded.config, from: [name, ...changes].join(', ') };
}

function textOf(file: string): string {
  const read = readGuarded(configurationFile(file));
  if (!read.ok) throw new CommandError(exitCodes.usage, read.message);
  return read.value;
}
