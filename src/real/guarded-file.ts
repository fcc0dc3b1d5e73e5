/**
 * Files that hold secrets, or decide what is done: one that others could read or change is refused, not warned about (S10).
 * At the start of a program they are read at once; in a noded that runs, in the background and with a deadline, since a disk that
 * hangs under them must not stop the keepalives (S8).
 */
import { readFileSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { within } from './last-good.ts';

const serviceUser = 'nodekeeper';
const usersFile = '/etc/passwd';
export const webKey = "the web listener's private key";
export const zookeeperKey = 'the private key for ZooKeeper';
/** As long as the agent waits for its own files (agent/disk.ts). */
const deadlineMs = 3000;

export type Loaded<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** What is asked of a file: what it is called, and which bits of its mode are forbidden; null: it may be anybody's. */
export interface Guarded {
  readonly file: string;
  readonly what: string;
  readonly forbidden: number | null;
}

/** A secret: for its owner only. */
export const privateFile = (file: string, what: string): Guarded => ({ file, what, forbidden: 0o077 });

export function readPrivate(file: string, what: string): Loaded<string> {
  return readGuarded(privateFile(file, what));
}

/** Reads a file whose mode has none of the forbidden bits and that nobody but root or we could have replaced. */
export function readGuarded(guarded: Guarded): Loaded<string> {
  const { file } = guarded;
  try {
    const why = refusal(guarded, statSync(file), () => readFileSync(usersFile, 'utf8'));
    return why === null ? { ok: true, value: readFileSync(file, 'utf8') } : { ok: false, message: why };
  } catch (error) {
    return unreadable(guarded, error);
  }
}

/** Files whose reading has not ended. */
const underWay = new Set<string>();

/** The same, without holding anything up; settles within 3 s. A file that hangs is not read a second time meanwhile. */
export async function readInBackground(guarded: Guarded): Promise<Loaded<string>> {
  const { file } = guarded;
  if (underWay.has(file)) return unreadable(guarded, 'an earlier read of it has not ended');
  underWay.add(file);
  const read = readLater(guarded).finally(() => underWay.delete(file));
  read.catch(() => undefined); // it may end long after the deadline
  try {
    return await within(read, deadlineMs);
  } catch (error) {
    return unreadable(guarded, error);
  }
}

/** Without a deadline, for callers that have one. Rejects when the file cannot be read. */
export async function readLater(guarded: Guarded): Promise<Loaded<string>> {
  const { file } = guarded;
  const users = await readFile(usersFile, 'utf8').catch(() => '');
  const why = refusal(guarded, await stat(file), () => users);
  return why === null ? { ok: true, value: await readFile(file, 'utf8') } : { ok: false, message: why };
}

/** Null: it may be used. */
function refusal(
  { file, what, forbidden }: Guarded,
  { mode, uid }: { readonly mode: number; readonly uid: number },
  users: () => string,
): string | null {
  if (forbidden === null) return null;
  if ((mode & forbidden & 0o044) !== 0) return exposed(file, `${what} can be read by others (mode ${octal(mode)})`);
  if ((mode & 0o022 & (forbidden | 0o020)) !== 0)
    return exposed(file, `${what} can be changed by others (mode ${octal(mode)})`);
  const own = process.getuid?.() ?? 0;
  if (uid === 0 || uid === own || uid === serviceUid(users)) return null;
  return `${file}: ${what} belongs to user ${uid}, expected root or ${own === 0 ? serviceUser : `user ${own}`}`;
}

function unreadable({ file, what }: Guarded, error: unknown): Loaded<never> {
  const code = (error as NodeJS.ErrnoException).code;
  const why =
    code === 'ENOENT' ? 'it does not exist' : code === 'EACCES' ? 'permission denied (are you root?)' : wordsOf(error);
  return { ok: false, message: `${file}: ${what} cannot be read: ${why}` };
}

function wordsOf(error: unknown): string {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === undefined ? error.message : String(error);
}

/** Of the user that noded may run as (systemd/unprivileged.conf); null: this machine has none. */
function serviceUid(users: () => string): number | null {
  try {
    const found = new RegExp(`^${serviceUser}:[^:]*:(\\d+):`, 'm').exec(users());
    return found === null ? null : Number(found[1]);
  } catch {
    return null;
  }
}

function exposed(file: string, why: string): string {
  return `${file}: ${why}; expected at most 0600: chmod 600 ${file}`;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}
