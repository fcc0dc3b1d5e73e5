/** Reads the configuration and the secrets beside it. A file that others could read or change is refused, not warned about. */
import { readFileSync, statSync } from 'node:fs';
import type { Config } from '../config/load.ts';
import { loadConfig, printErrors } from '../config/load.ts';
import { utf8Length } from '../config/schema.ts';
import type { BmcReference } from '../records/registration.ts';
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

/** This machine's own BMC reference, password included; null when none is configured. */
export function readBmc(config: Config): Loaded<BmcReference | null> {
  const { bmc } = config;
  if (bmc === undefined) return { ok: true, value: null };
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
  const { address, port, username, cipherSuites, privilege, commandTimeout } = bmc;
  return {
    ok: true,
    value: { address, port, username, password, cipherSuites, privilege, commandTimeoutMs: commandTimeout },
  };
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
