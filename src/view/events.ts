/** The history as it is read: by commands, and for the page. */
import type { Store, StoreResult } from '../environment/store.ts';
import { HistoryEvent } from '../records/history.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';

export interface NamedEvent {
  /** Of its record; grows with time. */
  readonly name: string;
  readonly event: HistoryEvent;
}

/** Events after the one named `after`, oldest first; the newest `most` of them (0: all). */
export async function viewEvents(
  store: Store,
  after: string,
  most: number,
): Promise<StoreResult<{ readonly events: NamedEvent[] }>> {
  const listed = await store.list(tree.history);
  if (!listed.ok) return listed.code === 'no-node' ? { ok: true, events: [] } : listed;
  const names = listed.names.filter((name) => name > after);
  const wanted = most === 0 ? names : names.slice(-most);
  const read = await Promise.all(
    wanted.map(async (name) => ({ name, value: await store.read(`${tree.history}/${name}`) })),
  );
  const events = read.flatMap(({ name, value }) => {
    if (!value.ok) return []; // trimmed in the meantime
    const parsed = parseRecord(HistoryEvent, value.text);
    return parsed.ok ? [{ name, event: parsed.record }] : [];
  });
  return { ok: true, events };
}
