/**
 * The lock of a VM: an ephemeral of the node whose guest runs, taken before the guest starts. It is a second line behind the
 * record: a record that was written wrongly by hand still does not let two nodes run one VM while both have their session.
 */
import type { Operation } from '../../environment/store.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmLock } from '../../records/vm.ts';
import type { Context } from '../context.ts';

/** Null: it is ours. Otherwise why not. */
export async function takeGuestLock(context: Context, uuid: string): Promise<string | null> {
  const { env, self } = context;
  const path = tree.vmLock(uuid);
  const lock: VmLock = { schema: 1, node: self.name, incarnation: self.incarnation };
  for (let tries = 0; tries < 2; tries += 1) {
    const made = await env.store.create(path, printRecord(lock), 'ephemeral');
    if (made.ok) return null;
    if (made.code !== 'node-exists' && made.code !== 'unclear') return made.because;
    const read = await env.store.read(path);
    if (!read.ok) {
      if (read.code === 'no-node') continue;
      return read.because;
    }
    if (read.owner === env.store.session().id) return null;
    const parsed = parseRecord(VmLock, read.text);
    if (!parsed.ok) return `its lock cannot be read: ${parsed.because}`;
    if (parsed.record.node !== self.name) return `${parsed.record.node} holds its lock`;
    await env.store.remove(path, read.version); // of a former life, or an older session, of this very node
  }
  return 'its lock could not be taken';
}

/**
 * What removes the lock of `owner` in the transaction that gives the VM away; nothing, if there is none, or if another node
 * holds it (R30): then whoever gets the VM does not start it. Null: not known.
 */
export async function lockRemoval(context: Context, uuid: string, owner: string): Promise<Operation[] | null> {
  const read = await context.env.store.read(tree.vmLock(uuid));
  if (!read.ok) return read.code === 'no-node' ? [] : null;
  const parsed = parseRecord(VmLock, read.text);
  if (parsed.ok && parsed.record.node !== owner) return [];
  return [{ kind: 'remove', path: tree.vmLock(uuid), version: read.version }];
}

/** Gives up the lock of a VM that has no guest here any more, if it is this node's. */
export async function dropGuestLock(context: Context, uuid: string): Promise<void> {
  const removal = await lockRemoval(context, uuid, context.self.name);
  if (removal !== null && removal.length > 0) await context.env.store.commit(removal);
}
