/** Small files on the disk: written beside, synced, renamed, so that a reader sees the old or the new (JOURNAL1, JOURNAL2). */
import { mkdirSync, readFileSync, renameSync, statfsSync, writeFileSync } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Journal } from '../environment/journal.ts';

export function fileJournal(dir: string): Journal {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    async read(name) {
      try {
        return await readFile(join(dir, name), 'utf8');
      } catch {
        return null; // JOURNAL3: never written, or not readable: both mean that nothing is known
      }
    },
    write(name, text) {
      const written = tail.then(() => writeSynced(dir, name, text));
      tail = written;
      return written;
    },
  };
}

/** tmpfs and ramfs, by their numbers in statfs(2). */
const inMemory: readonly number[] = [0x01021994, 0x858458f6];

/**
 * Small files beside the socket of noded, named after it. Null: they would not lie in memory. Synchronous on purpose: the kernel answers
 * them from memory, and they must not wait behind a hung disk for one of Node's few threads.
 */
export function memoryJournal(socket: string): Journal | null {
  const place = (name: string) => join(dirname(socket), `.${basename(socket)}.${name}`);
  try {
    mkdirSync(dirname(socket), { recursive: true });
    if (!inMemory.includes(statfsSync(dirname(socket)).type)) return null;
  } catch {
    return null;
  }
  return {
    read(name) {
      try {
        return Promise.resolve(readFileSync(place(name), 'utf8'));
      } catch {
        return Promise.resolve(null);
      }
    },
    write(name, text) {
      try {
        writeFileSync(`${place(name)}.new`, text, { mode: 0o600 });
        renameSync(`${place(name)}.new`, place(name));
        return Promise.resolve(null);
      } catch (error) {
        return Promise.resolve(`${place(name)}: ${error instanceof Error ? error.message : String(error)}`);
      }
    },
  };
}

async function writeSynced(dir: string, name: string, text: string): Promise<string | null> {
  const beside = join(dir, `.${name}.new`);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const file = await open(beside, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(beside, join(dir, name));
    const folder = await open(dir, 'r');
    await folder.sync().finally(() => folder.close());
    return null;
  } catch (error) {
    return `${join(dir, name)}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
