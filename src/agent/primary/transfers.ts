/** The records of transfers: which are open, and each move of one by the table of core/transfer.ts. */
import { step } from '../../core/machine.ts';
import type { TransferEvent } from '../../core/transfer.ts';
import { isOver, transferTable } from '../../core/transfer.ts';
import type { Operation } from '../../environment/store.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { TransferRecord, withTransferStep } from '../../records/transfer.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';

export interface OpenTransfer {
  readonly id: string;
  readonly version: number;
  readonly record: TransferRecord;
}

/** Finished transfers that are kept for people to look at. */
export const keptMax = 20;

/** Every transfer that is not over, oldest first. Null: the store did not answer. */
export async function openTransfers(
  context: Context,
  onChange: () => void,
  over: Set<string>,
): Promise<OpenTransfer[] | null> {
  const { store } = context.env;
  const listed = await store.list(tree.transfers, onChange);
  if (!listed.ok) return null;
  for (const id of over) if (!listed.names.includes(id)) over.delete(id);
  const read = await Promise.all(
    listed.names.filter((id) => !over.has(id)).map((id) => openTransfer(context, id, onChange, over)),
  );
  return read.filter((transfer) => transfer !== null);
}

/**
 * A watch stays with ZooKeeper until its node changes. So only a transfer that is open is watched: first it is read without,
 * then, if it is open, once more with a watch.
 */
async function openTransfer(
  context: Context,
  id: string,
  onChange: () => void,
  over: Set<string>,
): Promise<OpenTransfer | null> {
  for (const watch of [undefined, onChange]) {
    const value = await context.env.store.read(tree.transfer(id), watch);
    if (!value.ok) return null;
    const parsed = parseRecord(TransferRecord, value.text);
    if (!parsed.ok) {
      const because = `${tree.transfer(id)} cannot be read: ${parsed.because}; it is no transfer`;
      context.history.happened('record-unreadable', because);
    } else if (!isOver(parsed.record.state)) {
      if (watch === undefined) continue;
      return { id, version: value.version, record: parsed.record };
    }
    over.add(id);
    return null;
  }
  return null;
}

/** One open transfer by its id; null: it is over, or the store did not answer. */
export async function findTransfer(context: Context, id: string): Promise<OpenTransfer | null> {
  const value = await context.env.store.read(tree.transfer(id));
  const parsed = value.ok ? parseRecord(TransferRecord, value.text) : null;
  if (!value.ok || parsed?.ok !== true || isOver(parsed.record.state)) return null;
  return { id, version: value.version, record: parsed.record };
}

/** The record after `event`; null: the table ignores it. */
export function moved(
  context: Context,
  open: OpenTransfer,
  event: TransferEvent,
  because: string,
  changes: Partial<TransferRecord> = {},
): TransferRecord | null {
  const cell = step(transferTable, open.record.state, event);
  if (cell.kind === 'ignored') return null;
  const stepped = { wallMs: context.env.clock.wallMs(), by: context.self.name, what: cell.to, because };
  return withTransferStep({ ...open.record, ...changes, state: cell.to }, stepped);
}

export function writeOf(open: OpenTransfer, record: TransferRecord): Operation {
  return { kind: 'write', path: tree.transfer(open.id), text: printRecord(record), version: open.version };
}

/** Moves a transfer on its own. False: it was not done (the store is away, or somebody else moved it). */
export async function moveTransfer(
  context: Context,
  open: OpenTransfer,
  event: TransferEvent,
  because: string,
  changes: Partial<TransferRecord> = {},
): Promise<boolean> {
  const record = moved(context, open, event, because, changes);
  if (record === null) return false;
  const done = await context.env.store.write(tree.transfer(open.id), printRecord(record), open.version);
  if (done.ok) {
    if (isOver(record.state)) tellEnd(context, open.id, record, because);
    else
      context.env.log.info('transfer', {
        because: `${open.id}: ${open.record.state} => ${record.state}: ${because}`,
        transferId: open.id,
      });
  }
  return done.ok;
}

/** The id that follows one transfer through the events and logs of all nodes. */
export function followed(transfer: string | null | undefined): { readonly transferId?: string } {
  return transfer == null ? {} : { transferId: transfer };
}

export function tellEnd(context: Context, id: string, record: TransferRecord, because: string): void {
  const way = `${record.from} -> ${record.to ?? 'the best candidate'}`;
  context.history.happened('transfer', `${id} (${way}) ${record.state}: ${because}`, {
    node: record.to,
    evidence: { transferId: id },
  });
}

/** Removes the oldest of the finished ones. */
export async function trimTransfers(context: Context): Promise<void> {
  const { store } = context.env;
  const listed = await store.list(tree.transfers);
  if (!listed.ok) return;
  for (const id of listed.names.slice(0, Math.max(0, listed.names.length - keptMax))) {
    const read = await store.read(tree.transfer(id));
    const parsed = read.ok ? parseRecord(TransferRecord, read.text) : null;
    if (read.ok && (parsed?.ok !== true || isOver(parsed.record.state)))
      await store.remove(tree.transfer(id), read.version);
  }
}
