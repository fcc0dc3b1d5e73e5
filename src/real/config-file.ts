/** Reads the configuration and the secrets beside it. A file that others could read or change is refused, not warned about. */
import { readFileSync, statSync } from 'node:fs';
import type { Config } from '../config/load.ts';
import { loadConfig, printErrors } from '../config/load.ts';
import { utf8Length } from '../config/fields.ts';
import type { FenceDevice, IpmiDevice } from '../records/device.ts';
import type { ClusterKey } from './secrets.ts';
import { clusterKey } from './secrets.ts';

export const defaultConfigFile = '/etc/nodekeeper/config.yaml';
const passwordBytesMax = 20;

export type Loaded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** `--config`, then NODEKEEPER_CONFIG, then the default. */
export function configFile(option: string | undefined): string {
  return option ?? process.env['NODEKEEPER_CONFIG'] ?? defaultConfigFile;
}

export function readConfig(file: string): Loaded<Config> {
  const text = readGuarded(file, 'the configuration', 0o007);
  if (!text.ok) return text;
  const loaded = loadConfig(text.value);
  return loaded.ok ? { ok: true, value: loaded.config } : { ok: false, message: printErrors(file, loaded.errors) };
}

export function readClusterKey(config: Config): Loaded<ClusterKey> {
  const file = config.cluster.keyFile;
  const text = readGuarded(file, 'the cluster key', 0o077);
  if (!text.ok) return text;
  const key = clusterKey(text.value, config.cluster.name);
  if (key === null)
    return { ok: false, message: `${file}: this is no cluster key; make one with: nodectl keygen --out ${file}` };
  return { ok: true, value: key };
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
      const text = readGuarded(file, `the secret "${option}" of the device "${name}"`, 0o077);
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
  const text = readGuarded(bmc.passwordFile, 'the BMC password', 0o077);
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

/** Reads a file whose mode has none of the forbidden bits and that nobody but root or we could have replaced. */
function readGuarded(file: string, what: string, forbidden: number): Loaded<string> {
  try {
    const { mode, uid } = statSync(file);
    if ((mode & forbidden & 0o044) !== 0)
      return refuse(file, `${what} can be read by others (mode ${octal(mode)})`, file);
    if ((mode & 0o022 & (forbidden | 0o020)) !== 0)
      return refuse(file, `${what} can be changed by others (mode ${octal(mode)})`, file);
    const own = process.getuid?.() ?? 0;
    if (uid !== 0 && uid !== own)
      return { ok: false, message: `${file}: ${what} belongs to user ${uid}, expected root or user ${own}` };
    return { ok: true, value: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT' ? 'it does not exist' : code === 'EACCES' ? 'permission denied (are you root?)' : String(error);
    return { ok: false, message: `${file}: ${what} cannot be read: ${why}` };
  }
}

function refuse(file: string, why: string, path: string): Loaded<never> {
  return { ok: false, message: `${file}: ${why}; expected at most 0600: chmod 600 ${path}` };
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
