/** Reads the configuration and the secrets beside it. A file that others could read or change is refused, not warned about. */
import type { Config } from '../config/load.ts';
import { loadConfig, printErrors } from '../config/load.ts';
import { utf8Length } from '../config/fields.ts';
import type { FenceDevice, IpmiDevice } from '../records/device.ts';
import type { Guarded, Loaded } from './guarded-file.ts';
import { privateFile, readGuarded, readInBackground, readPrivate, webKey, zookeeperKey } from './guarded-file.ts';
import { KeyRing, clusterKeys } from './secrets.ts';

export const defaultConfigFile = '/etc/nodekeeper/config.yaml';
const passwordBytesMax = 20;

/** `--config`, then NODEKEEPER_CONFIG, then the default. */
export function configFile(option: string | undefined): string {
  return option ?? process.env['NODEKEEPER_CONFIG'] ?? defaultConfigFile;
}

export const configurationFile = (file: string): Guarded => ({ file, what: 'the configuration', forbidden: 0o007 });
const clusterKeyFile = ({ cluster }: Config): Guarded => privateFile(cluster.keyFile, 'the cluster key');

export function readConfig(file: string): Loaded<Config> {
  return configOf(file, readGuarded(configurationFile(file)));
}

/** While noded runs. */
export async function readConfigAgain(file: string): Promise<Loaded<Config>> {
  return configOf(file, await readInBackground(configurationFile(file)));
}

function configOf(file: string, text: Loaded<string>): Loaded<Config> {
  if (!text.ok) return text;
  const loaded = loadConfig(text.value);
  return loaded.ok ? { ok: true, value: loaded.config } : { ok: false, message: printErrors(file, loaded.errors) };
}

export function readClusterKeys(config: Config): Loaded<KeyRing> {
  return keyRingOf(config, readGuarded(clusterKeyFile(config)));
}

/** While noded runs. */
export async function readClusterKeysAgain(config: Config): Promise<Loaded<KeyRing>> {
  return keyRingOf(config, await readInBackground(clusterKeyFile(config)));
}

function keyRingOf({ cluster }: Config, text: Loaded<string>): Loaded<KeyRing> {
  const file = cluster.keyFile;
  if (!text.ok) return text;
  const keys = clusterKeys(text.value, cluster.name);
  if (typeof keys === 'string') return { ok: false, message: `${file}: ${keys}; one is made with: nodectl keygen` };
  return { ok: true, value: new KeyRing(keys) };
}

/** Everything that can switch this machine off, passwords included: its BMC, and the further devices. */
export function readDevices(config: Config): Loaded<FenceDevice[]> {
  const found: FenceDevice[] = [];
  if (config.bmc !== undefined) {
    const bmc = readBmc(config.bmc);
    if (!bmc.ok) return bmc;
    found.push(bmc.value);
  }
  for (const { name, agent, options, secretFiles, delay, retries, timeout } of config.fencing.devices) {
    const secrets: Record<string, string> = {};
    for (const [option, file] of Object.entries(secretFiles)) {
      const text = readPrivate(file, `the secret "${option}" of the device "${name}"`);
      if (!text.ok) return text;
      const value = text.value.replace(/\r?\n$/, '');
      if (value === '' || /[\0\n\r]/.test(value)) return { ok: false, message: `${file}: expected one line` };
      secrets[option] = value;
    }
    const common = { name, commandTimeoutMs: timeout, delayMs: delay, retries };
    found.push({ kind: 'agent', ...common, agent, options, secrets });
  }
  return { ok: true, value: found };
}

function readBmc(bmc: NonNullable<Config['bmc']>): Loaded<IpmiDevice> {
  const text = readPrivate(bmc.passwordFile, 'the BMC password');
  if (!text.ok) return text;
  const password = text.value.replace(/\r?\n$/, '');
  const bytes = utf8Length(password);
  if (bytes === 0 || bytes > passwordBytesMax || /[\0\n]/.test(password)) {
    return {
      ok: false,
      message: `${bmc.passwordFile}: expected one line of 1 to ${passwordBytesMax} bytes (IPMI allows no more), got ${bytes} bytes`,
    };
  }
  const { address, port, username, cipherSuites, privilege, commandTimeout, delay, retries } = bmc;
  const common = { name: 'ipmi', commandTimeoutMs: commandTimeout, delayMs: delay, retries };
  return { ok: true, value: { kind: 'ipmi', ...common, address, port, username, password, cipherSuites, privilege } };
}

/** What would keep a listener or a connection from coming about: private keys that are missing, or that others can read. */
export function keyFileComplaints({ web, zookeeper }: Config): string[] {
  const files = [
    [web.enabled ? web.keyFile : undefined, webKey],
    [zookeeper.tls?.keyFile, zookeeperKey],
  ] as const;
  return files.flatMap(([file, what]) => {
    const read = file === undefined ? null : readPrivate(file, what);
    return read === null || read.ok ? [] : [read.message];
  });
}
