/**
 * The files of TLS to ZooKeeper, read for each connection, never on the event loop: a disk or an NFS server that hangs under them
 * must not stop the keepalives. While it hangs, and while a renewal has written only a part of them, the last good ones are used.
 */
import { readFile } from 'node:fs/promises';
import type { SecureContext } from 'node:tls';
import { createSecureContext } from 'node:tls';
import { privateFile, readLater, zookeeperKey } from '../guarded-file.ts';
import type { OnTrouble } from '../last-good.ts';
import { LastGood } from '../last-good.ts';
import type { ZooKeeperTls } from './tls.ts';

/** A connection waits so long for files that were never read. */
export const filesMs = 1000;
const limits = { deadlineMs: filesMs, patienceMs: 100, tellAfterMs: 1000 };
/** Set by noded: told when the files are late, and (null) when they were read again. */
export const tlsFiles: { onTrouble: OnTrouble } = { onTrouble: () => undefined };
/** By the names of the files: each client of a session is a new one. */
const known = new Map<string, LastGood<SecureContext>>();

/** Rejects when a file is missing or may not be used; and, until all were good once, when they are not, or not read `withinMs`. */
export async function contextOf(tls: ZooKeeperTls, withinMs: number): Promise<SecureContext> {
  const names = [tls.caFile, tls.certificateFile, tls.keyFile].filter((file) => file !== null).join(', ');
  const files =
    known.get(names) ??
    new LastGood<SecureContext>(limits, (because) => tlsFiles.onTrouble(because && `${names}: ${because}`));
  known.set(names, files);
  try {
    return await files.get({ ask: () => read(tls), isAnswer }, withinMs);
  } catch (error) {
    throw isAnswer(error) ? error : new Error(`${names}: ${(error as Error).message}`);
  }
}

/** One after another, so that a disk that hangs keeps one thread. */
async function read({ caFile, certificateFile, keyFile }: ZooKeeperTls): Promise<SecureContext> {
  const ca = await readFile(caFile);
  if (ca.length === 0) throw new Error(`${caFile} is empty`);
  const common = { ca, minVersion: 'TLSv1.2' } as const;
  if (certificateFile === null || keyFile === null) return createSecureContext(common);
  const key = await readLater(privateFile(keyFile, zookeeperKey));
  if (!key.ok) throw new Refused(key.message);
  return createSecureContext({ ...common, cert: await readFile(certificateFile), key: key.value });
}

/** A private key that may not be used. */
class Refused extends Error {}

/** Whether the disk answered: that a file is not there, or may not be read, is said as it is. */
function isAnswer(error: unknown): boolean {
  return (
    error instanceof Refused || ['ENOENT', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')
  );
}
