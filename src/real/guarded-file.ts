/** Files that hold secrets, or decide what is done: one that others could read or change is refused, not warned about (S10). */
import { readFileSync, statSync } from 'node:fs';

const serviceUser = 'nodekeeper';
export const webKey = "the web listener's private key";
export const zookeeperKey = 'the private key for ZooKeeper';

export type Loaded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** A secret: for its owner only. */
export function readPrivate(file: string, what: string): Loaded<string> {
  return readGuarded(file, what, 0o077);
}

/** Reads a file whose mode has none of the forbidden bits and that nobody but root or we could have replaced. */
export function readGuarded(file: string, what: string, forbidden: number): Loaded<string> {
  try {
    const { mode, uid } = statSync(file);
    if ((mode & forbidden & 0o044) !== 0)
      return refuse(file, `${what} can be read by others (mode ${octal(mode)})`, file);
    if ((mode & 0o022 & (forbidden | 0o020)) !== 0)
      return refuse(file, `${what} can be changed by others (mode ${octal(mode)})`, file);
    const own = process.getuid?.() ?? 0;
    if (uid !== 0 && uid !== own && uid !== serviceUid())
      return {
        ok: false,
        message: `${file}: ${what} belongs to user ${uid}, expected root or ${own === 0 ? serviceUser : `user ${own}`}`,
      };
    return { ok: true, value: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT' ? 'it does not exist' : code === 'EACCES' ? 'permission denied (are you root?)' : String(error);
    return { ok: false, message: `${file}: ${what} cannot be read: ${why}` };
  }
}

/** Of the user that noded may run as (systemd/unprivileged.conf); null: this machine has none. */
function serviceUid(): number | null {
  try {
    const found = new RegExp(`^${serviceUser}:[^:]*:(\\d+):`, 'm').exec(readFileSync('/etc/passwd', 'utf8'));
    return found === null ? null : Number(found[1]);
  } catch {
    return null;
  }
}

function refuse(file: string, why: string, path: string): Loaded<never> {
  return { ok: false, message: `${file}: ${why}; expected at most 0600: chmod 600 ${path}` };
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
