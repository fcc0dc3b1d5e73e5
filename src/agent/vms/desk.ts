/** VMs over the API: what there is, and commands, by the same rules as nodectl's. */
import { claimOf } from '../../core/placement.ts';
import type { VmCommand } from '../../core/vm-command.ts';
import { commandVm, commandWords } from '../../core/vm-command.ts';
import type { ApiAnswer, VmOrder } from '../../records/api.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { VmView } from '../../records/vm-view.ts';
import { viewVm } from '../../records/vm-view.ts';
import { GuestList } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import type { VmFile } from './vm-file.ts';
import { changeVm, readVm } from './vm-file.ts';

/** Who else writes at the same time wins; so often the command is thought over. */
const triesMax = 10;

/** Null: the store does not answer. */
export async function listVms(context: Context): Promise<VmView[] | null> {
  const files = await readAllVms(context);
  if (files === null) return null;
  const nodes = [...new Set(files.map(({ record }) => record.node))];
  const lists = new Map(await Promise.all(nodes.map(async (node) => [node, await guestsOf(context, node)] as const)));
  const views = files.map(({ record }) => viewVm(record, lists.get(record.node)));
  return views.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function orderVm(
  context: Context,
  wanted: string,
  order: VmOrder,
  by: string,
): Promise<Extract<ApiAnswer, { kind: 'vm-order' }>> {
  const say = (outcome: 'done' | 'refused' | 'unknown' | 'away', because: string, file: VmFile | null = null) =>
    ({ kind: 'vm-order', outcome, because, vm: file?.record ?? null }) as const;
  for (let tries = 0; tries < triesMax; tries += 1) {
    const files = await readAllVms(context);
    if (files === null) return say('away', 'the store does not answer');
    const file = files.find(({ record }) => record.name === wanted || record.uuid === wanted.toLowerCase());
    if (file === undefined) return say('unknown', `there is no VM "${wanted}"`);
    const command = commandOf(order, context.env.random.id(), by);
    const changed = commandVm(
      file.record,
      command,
      by,
      files.map(({ record }) => claimOf(record)),
    );
    if (!changed.ok) return say('refused', changed.because, file);
    const { state, node, move, stranded, because } = changed;
    const sinceWallMs = context.env.clock.wallMs();
    const written = await changeVm(context, file, { state, node, move, stranded, because, by, sinceWallMs });
    if (written === null) continue;
    context.history.happened('operator-request', `${written.record.name}: ${commandWords(command)} (${because})`, {
      node: written.record.node,
      evidence: { vm: written.record.name, askedBy: by },
    });
    return say('done', because, written);
  }
  return say('away', 'it could not be written: the store is away, or others change it all the time');
}

function commandOf(order: VmOrder, moveId: string, by: string): VmCommand {
  switch (order.kind) {
    case 'migrate':
    case 'move':
      return { ...order, moveId };
    case 'unmigrate':
      return { kind: 'unmigrate', moveId };
    case 'cancel':
      return { kind: 'cancel', by };
    case 'start':
    case 'shutdown':
    case 'stop':
    case 'restart':
    case 'disable':
      return { kind: order.kind };
  }
}

async function guestsOf({ env }: Context, node: string): Promise<GuestList | undefined> {
  const [guests, beat, session] = await Promise.all([
    env.store.read(tree.guests(node)),
    env.store.read(tree.keepalive(node)),
    env.store.read(tree.session(node)),
  ]);
  if (!session.ok) return undefined; // what a node said that is not there any more says nothing
  const list = guests.ok ? parseRecord(GuestList, guests.text) : null;
  const keepalive = beat.ok ? parseRecord(Keepalive, beat.text) : null;
  if (list?.ok !== true || keepalive?.ok !== true) return undefined;
  return list.record.incarnation === keepalive.record.incarnation ? list.record : undefined;
}

/** Null: the store does not answer. A record that cannot be read is left out, and told. */
export async function readAllVms(context: Context): Promise<VmFile[] | null> {
  const { store } = context.env;
  const listed = await store.list(tree.vms);
  if (!listed.ok) return listed.code === 'no-node' ? [] : null;
  const read = await Promise.all(listed.names.map((uuid) => readVm(context, uuid)));
  if (store.session().state !== 'connected') return null;
  return read.filter((file) => file !== null && file !== 'none');
}
