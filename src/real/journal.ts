/** Small files on the disk: written beside, synced, renamed, so that a reader sees the old or the new (JOURNAL1, JOURNAL2). */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
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
