/** Reading and writing the primary record: always by version, an unclear answer resolved by reading back (S6). */
import { PrimaryRecord, noPrimary } from '../../records/primary.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Operation, StoreFailureCode } from '../../environment/store.ts';
import type { Context } from '../context.ts';

export interface PrimaryFile {
  readonly record: PrimaryRecord;
  readonly version: number;
  /** False: what stands there cannot be read; `record` is then no more than a place to write over by version. */
  readonly readable: boolean;
}

/** Null: the store did not answer. */
export async function readPrimary(context: Context, onChange?: () => void): Promise<PrimaryFile | null> {
  const read = await context.env.store.read(tree.primary, onChange);
  if (!read.ok) return null;
  const { version } = read;
  if (read.text === '') return { record: noPrimary, version, readable: true };
  const parsed = parseRecord(PrimaryRecord, read.text);
  if (parsed.ok) return { record: parsed.record, version, readable: true };
  const because = `${tree.primary} cannot be read: ${parsed.because}; nobody may contend until it is mended`;
  context.history.happened('record-unreadable', because);
  return { record: noPrimary, version, readable: false };
}

export type PrimaryChange = Pick<
  PrimaryRecord,
  'state' | 'holder' | 'incarnation' | 'epoch' | 'because' | 'transfer' | 'previous'
>;

export type PrimaryWritten =
  | { readonly ok: true; readonly file: PrimaryFile; readonly sentMs: number }
  | { readonly ok: false; readonly code: StoreFailureCode; readonly because: string };

/** One versioned write, with `also` in the same transaction. */
export async function writePrimary(
  context: Context,
  before: PrimaryFile,
  change: PrimaryChange,
  also: readonly Operation[] = [],
): Promise<PrimaryWritten> {
  const { env, self } = context;
  const record: PrimaryRecord = {
    schema: 1,
    ...change,
    because: change.because.slice(0, 500),
    by: self.name,
    writeId: env.random.id(),
    sinceWallMs: env.clock.wallMs(),
  };
  const sentMs = env.clock.monotonicMs();
  const text = printRecord(record);
  const done = await env.store.commit([...also, { kind: 'write', path: tree.primary, text, version: before.version }]);
  const file = { record, version: before.version + 1, readable: true };
  if (done.ok) return { ok: true, file, sentMs };
  if (done.code !== 'unclear') return done;
  const now = await readPrimary(context);
  if (now?.record.writeId === record.writeId) return { ok: true, file: now, sentMs };
  const { epoch, holder, incarnation } = record;
  if (epoch >= (context.board.epochUnclear?.epoch ?? 0)) {
    const life = holder === null || incarnation === null ? null : { name: holder, incarnation };
    context.board.epochUnclear = { epoch, holder: life };
  }
  return done;
}

/** Whether the record gives the role to this very life. */
export function namesThisLife(context: Context, record: PrimaryRecord): boolean {
  return record.holder === context.self.name && record.incarnation === context.self.incarnation;
}
