/**
 * The lock of a VM: an ephemeral of the node whose guest runs, taken before the guest starts. It is a second line behind the
 * record: a record that was written wrongly by hand still does not let two nodes run one VM while both have their session.
 */
import type { Operation } from '../../environment/store.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmLock } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import type { VmFile } from './vm-file.ts';

export interface LockTrouble {
  /** Another node holds it; false: it is not known, or the record has changed meanwhile. */
  readonly isHeld: boolean;
  readonly because: string;
}

/**
 * Null: it is ours. It is taken together with a check of the record: a lock from the past would keep the VM's next home from
 * starting it.
 */
export async function takeGuestLock(context: Context, { record, version }: VmFile): Promise<LockTrouble | null> {
  const { env, self } = context;
  const path = tree.vmLock(record.uuid);
  const lock: VmLock = { schema: 1, node: self.name, incarnation: self.incarnation };
  const not = (because: string) => ({ isHeld: false, because });
  for (let tries = 0; tries < 2; tries += 1) {
    const made = await env.store.commit([
      { kind: 'check', path: tree.vm(record.uuid), version },
      { kind: 'create', path, text: printRecord(lock), mode: 'ephemeral' },
    ]);
    if (made.ok) return null;
    if (made.code !== 'node-exists' && made.code !== 'unclear') return not(made.because);
    const read = await env.store.read(path);
    if (!read.ok) {
      if (read.code === 'no-node') continue;
      return not(read.because);
    }
    if (read.owner === env.store.session().id) return null;
    const parsed = parseRecord(VmLock, read.text);
    if (!parsed.ok) return { isHeld: true, because: `its lock cannot be read: ${parsed.because}` };
    if (parsed.record.node !== self.name) return { isHeld: true, because: `${parsed.record.node} holds its lock` };
    await env.store.remove(path, read.version); // of a former life, or an older session, of this very node
  }
  return not('its lock could not be taken');
}

/**
 * What removes the lock of `owner` in the transaction that gives the VM away; nothing, if there is none, or if another node
 * holds it: then whoever gets the VM does not start it. Null: not known.
 */
export async function lockRemoval(context: Context, uuid: string, owner: string): Promise<Operation[] | null> {
  const read = await context.env.store.read(tree.vmLock(uuid));
  if (!read.ok) return read.code === 'no-node' ? [] : null;
  const parsed = parseRecord(VmLock, read.text);
  if (parsed.ok && parsed.record.node !== owner) return [];
  return [{ kind: 'remove', path: tree.vmLock(uuid), version: read.version }];
}

/** Whether this session holds it; null: not known. */
export async function ownsGuestLock({ env }: Context, uuid: string): Promise<boolean | null> {
  const read = await env.store.read(tree.vmLock(uuid));
  if (!read.ok) return read.code === 'no-node' ? false : null;
  return read.owner === env.store.session().id;
}

/** Gives up the lock of a VM that has no guest here, if the record has not changed. True: the lock is not ours any more. */
export async function dropGuestLock(context: Context, { record, version }: VmFile): Promise<boolean> {
  const removal = await lockRemoval(context, record.uuid, context.self.name);
  if (removal === null || removal.length === 0) return removal !== null;
  return (await context.env.store.commit([{ kind: 'check', path: tree.vm(record.uuid), version }, ...removal])).ok;
}
