/** What the nodes have to offer to VMs right now, read from the store: keepalives, sessions, pauses, fences, promises. */
import { isUnderWay } from '../../core/fencing.ts';
import type { CandidateFacts, PlacementNode } from '../../core/placement.ts';
import { claimOf, placementNodes } from '../../core/placement.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import type { Registration } from '../../records/registration.ts';
import { tree } from '../../records/tree.ts';
import type { VmRecord } from '../../records/vm.ts';
import { Drain, GuestList, readyDrain } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import { readFence } from '../fencing/fence-file.ts';
import { readMaintenance } from '../maintenance.ts';
import type { Peers } from '../peers.ts';

/** Every registered node as the plan sees it. What could not be read counts against the node: doubt takes no VM. */
export async function surveyNodes(context: Context, peers: Peers, vms: readonly VmRecord[]): Promise<PlacementNode[]> {
  await peers.refresh();
  const candidates = await Promise.all(peers.all().map((peer) => candidate(context, peer)));
  return placementNodes(candidates, vms.map(claimOf));
}

async function candidate(context: Context, { name, vms }: Registration): Promise<CandidateFacts> {
  const { store } = context.env;
  const [beat, session, guests, drained, maintenance, fence] = await Promise.all([
    store.read(tree.keepalive(name)),
    store.read(tree.session(name)),
    store.read(tree.guests(name)),
    readDrain(context, name),
    readMaintenance(context, tree.nodeMaintenance(name)),
    readFence(context, name),
  ]);
  const keepalive = beat.ok ? parseRecord(Keepalive, beat.text) : null;
  const listed = guests.ok && guests.text !== '' ? parseRecord(GuestList, guests.text) : null;
  const facts = keepalive?.ok === true ? keepalive.record.subsystems['system']?.facts : undefined;
  const number = (key: string) => (typeof facts?.[key] === 'number' ? facts[key] : null);
  return {
    name,
    reservedMiB: vms?.reservedMiB ?? null,
    daemonState: keepalive?.ok === true ? keepalive.record.state : null,
    hasSession: session.ok,
    isBeingFenced: fence === null || isUnderWay(fence.record.state),
    maintenance: maintenance === null ? 'whether it is could not be read' : maintenance.reason,
    isDraining: drained === null || drained.state === 'flush' || drained.state === 'flushed',
    libvirtTrouble: listed?.ok !== true ? 'it has not listed its guests yet' : listed.record.unknownBecause,
    totalMiB: number('totalMiB'),
    cores: number('cpus'),
    load: number('load1'),
  };
}

export interface DrainFile extends Drain {
  /** Null: it was never written. */
  readonly version: number | null;
}

/** Null: the store did not answer, or what stands there cannot be read. */
export async function readDrain(context: Context, node: string): Promise<DrainFile | null> {
  const read = await context.env.store.read(tree.drain(node));
  if (!read.ok) return read.code === 'no-node' ? { ...readyDrain, version: null } : null;
  if (read.text === '') return { ...readyDrain, version: read.version };
  const parsed = parseRecord(Drain, read.text);
  if (parsed.ok) return { ...parsed.record, version: read.version };
  const because = `${tree.drain(node)} cannot be read: ${parsed.because}; ${node} counts as being emptied`;
  context.history.happened('record-unreadable', because, { node });
  return null;
}
