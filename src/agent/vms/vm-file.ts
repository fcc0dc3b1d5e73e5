/** Reading and moving the record of a VM: by its table and by version, an unclear answer resolved by reading back (S6). */
import { step } from '../../core/machine.ts';
import type { VmEvent } from '../../core/vm.ts';
import { vmTable } from '../../core/vm.ts';
import type { Operation } from '../../environment/store.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmRecord } from '../../records/vm.ts';
import type { Context } from '../context.ts';

export interface VmFile {
  readonly record: VmRecord;
  readonly version: number;
}

/** `none`: there is no such VM. Null: the store did not answer, or what stands there cannot be read: nothing is touched. */
export async function readVm(context: Context, uuid: string, onChange?: () => void): Promise<VmFile | 'none' | null> {
  const read = await context.env.store.read(tree.vm(uuid), onChange);
  if (!read.ok) return read.code === 'no-node' ? 'none' : null;
  const parsed = parseRecord(VmRecord, read.text);
  if (parsed.ok && parsed.record.uuid === uuid) return { record: parsed.record, version: read.version };
  const because = parsed.ok ? `it says that its UUID is ${parsed.record.uuid}` : parsed.because;
  context.history.happened('record-unreadable', `${tree.vm(uuid)} cannot be read: ${because}; that VM is left alone`);
  return null;
}

/** Whether the store itself holds the record for unchanged, and not only the server that was read from (docs/decisions/0010). */
export async function standsUnchanged({ env }: Context, { record, version }: VmFile): Promise<boolean> {
  return (await env.store.commit([{ kind: 'check', path: tree.vm(record.uuid), version }])).ok;
}

export type VmChanges = Partial<Omit<VmRecord, 'schema' | 'uuid' | 'writeId'>>;

/** Moves the record by an event of the table. Null: not written; whoever asked reads it again. */
export async function moveVm(
  context: Context,
  file: VmFile,
  event: VmEvent,
  because: string,
  changes: VmChanges = {},
  also: readonly Operation[] = [],
): Promise<VmFile | null> {
  const moved = step(vmTable, file.record.state, event);
  if (moved.kind === 'ignored') return null;
  const { env, self } = context;
  const written = await writeVm(
    context,
    file,
    {
      ...file.record,
      by: self.name,
      ...changes,
      state: moved.to,
      because: because.slice(0, 1000),
      sinceWallMs: env.clock.wallMs(),
    },
    also,
  );
  if (written === null) return null;
  const { name, node } = written.record;
  const kind = moved.to === 'fail' ? 'vm-failed' : event === 'stranded' ? 'vm-stranded' : 'vm';
  const change = file.record.state === moved.to ? moved.to : `${file.record.state} => ${moved.to}`;
  context.history.happened(kind, `${name}: ${change} on ${node}: ${because}`, {
    node,
    evidence: { vm: name, state: moved.to },
  });
  return written;
}

/** One versioned write of what was decided elsewhere: a command (core/vm-command.ts), or fields that are not its state. */
export function changeVm(
  context: Context,
  file: VmFile,
  changes: VmChanges,
  also: readonly Operation[] = [],
): Promise<VmFile | null> {
  return writeVm(context, file, { ...file.record, ...changes }, also);
}

async function writeVm(
  context: Context,
  file: VmFile,
  next: VmRecord,
  also: readonly Operation[],
): Promise<VmFile | null> {
  const { env } = context;
  const record: VmRecord = { ...next, writeId: env.random.id() };
  const path = tree.vm(record.uuid);
  const done = await env.store.commit([
    ...also,
    { kind: 'write', path, text: printRecord(VmRecord.parse(record)), version: file.version },
  ]);
  if (done.ok) return { record, version: file.version + 1 };
  if (done.code !== 'unclear') return null;
  const now = await readVm(context, record.uuid);
  return now !== null && now !== 'none' && now.record.writeId === record.writeId ? now : null;
}
