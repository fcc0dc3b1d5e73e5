/** A machine's disk in the simulator: it survives noded and power cycles. It may hang: what was asked for happens when it answers again. */
import type { Journal } from '../environment/journal.ts';
import type { SimProcess } from './process.ts';

const lookMs = 100;

export function simJournal(disk: Map<string, string>, process: SimProcess, hangs: () => boolean): Journal {
  const answers = async (tookMs: number) => {
    await process.sleep(tookMs);
    while (hangs()) await process.sleep(lookMs);
  };
  return {
    async read(name) {
      await answers(0.2);
      return disk.get(name) ?? null;
    },
    async write(name, text) {
      await answers(1);
      disk.set(name, text);
      return null;
    },
  };
}
