/** The record of a node's fence. */
import type { Store } from '../../../environment/store.ts';
import { FenceRecord } from '../../../records/fence.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';

/** Null: there is none, or it cannot be read. */
export async function readRecord(store: Store, name: string): Promise<FenceRecord | null> {
  const read = await store.read(tree.fence(name));
  const parsed = read.ok && read.text !== '' ? parseRecord(FenceRecord, read.text) : null;
  return parsed?.ok === true ? parsed.record : null;
}
