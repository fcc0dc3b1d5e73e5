/** A machine's disk in the simulator: it survives noded and power cycles. */
import type { Journal } from '../environment/journal.ts';
import type { SimProcess } from './process.ts';

export function simJournal(disk: Map<string, string>, process: SimProcess): Journal {
  return {
    async read(name) {
      await process.sleep(0.2);
      return disk.get(name) ?? null;
    },
    async write(name, text) {
      await process.sleep(1);
      disk.set(name, text);
      return null;
    },
  };
}
