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

/** Events after `after` (null: from the beginning), oldest first; the newest `most` of them (0: all). */
export async function viewEvents(
  store: Store,
  after: NamedEvent | null,
  most: number,
): Promise<StoreResult<{ readonly events: NamedEvent[] }>> {
  const listed = await store.list(tree.history);
  if (!listed.ok) return listed.code === 'no-node' ? { ok: true, events: [] } : listed;
  const seen = after === null || (await hasBegunAnew(store, listed.names, after)) ? '' : after.name;
  const names = listed.names.filter((name) => name > seen);
  const wanted = most === 0 ? names : names.slice(-most);
  const read = await Promise.all(wanted.map((name) => readEvent(store, name)));
  return { ok: true, events: read.flatMap((event) => event ?? []) };
}

/** ZooKeeper was rebuilt, and counts from zero: an earlier name, and a later event. (Without the later one a server only lags.) */
async function hasBegunAnew(store: Store, names: readonly string[], after: NamedEvent): Promise<boolean> {
  const newest = names.at(-1);
  if (newest === undefined || newest >= after.name) return false;
  const read = await readEvent(store, newest);
  return read !== null && read.event.wallMs > after.event.wallMs;
}

/** Null: trimmed in the meantime, or not readable. */
async function readEvent(store: Store, name: string): Promise<NamedEvent | null> {
  const read = await store.read(`${tree.history}/${name}`);
  const parsed = read.ok ? parseRecord(HistoryEvent, read.text) : null;
  return parsed?.ok === true ? { name, event: parsed.record } : null;
}
