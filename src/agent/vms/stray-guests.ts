/**
 * Guests that run although the cluster knows no VM of theirs: somebody started them by hand, or ZooKeeper was restored from a copy that is
 * older than their definition. Each node tells them in its list of guests, so that a definition is not taken on another node (S2).
 */
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { GuestList } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import { readFence } from '../fencing/fence-file.ts';
import type { Peers } from '../peers.ts';
import { endsAllGuests } from './guests-ended.ts';

/** Where a guest of it is not off, as another node said last; null: nowhere. What a stopped noded said stands: its guests go on. */
export async function runsElsewhere(context: Context, peers: Peers, uuid: string): Promise<string | null> {
  const { self, env } = context;
  for (const { name, vms } of peers.others(self.name)) {
    if (vms === null) continue;
    const read = await env.store.read(tree.guests(name));
    if (!read.ok && read.code !== 'no-node')
      return `whether a guest of it runs on ${name} cannot be read: ${read.because}`;
    const list = read.ok ? parseRecord(GuestList, read.text) : null;
    if (list?.ok !== true) continue;
    const { guests, strays } = list.record;
    if (!strays.includes(uuid) && (guests[uuid]?.power ?? 'off') === 'off') continue;
    const fence = await readFence(context, name);
    if (fence !== null && endsAllGuests(context, fence.record)) continue;
    return `a guest of it runs on ${name}; nodectl vm define --node ${name} takes it up there`;
  }
  return null;
}
