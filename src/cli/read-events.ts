/** The history as commands read it. */
import type { Store } from '../environment/store.ts';
import { HistoryEvent } from '../records/history.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** Events after the one named `after`, oldest first; the newest `most` of them (0: all). */
export async function readEvents(
  store: Store,
  after: string,
  most: number,
): Promise<{ name: string; event: HistoryEvent }[]> {
  const listed = await store.list(tree.history);
  if (!listed.ok && listed.code === 'no-node') return [];
  if (!listed.ok) throw new CommandError(exitCodes.unreachable, listed.because);
  const names = listed.names.filter((name) => name > after);
  const wanted = most === 0 ? names : names.slice(-most);
  const read = await Promise.all(
    wanted.map(async (name) => ({ name, value: await store.read(`${tree.history}/${name}`) })),
  );
  return read.flatMap(({ name, value }) => {
    if (!value.ok) return []; // trimmed in the meantime
    const parsed = parseRecord(HistoryEvent, value.text);
    return parsed.ok ? [{ name, event: parsed.record }] : [];
  });
}
