/** VMs as commands see and change them: read, found by name or UUID, changed by version, followed until the outcome. */
import { randomUUID } from 'node:crypto';
import type { VmCommand } from '../core/vm-command.ts';
import { commandVm, commandWords } from '../core/vm-command.ts';
import type { CandidateFacts, PlacementNode } from '../core/placement.ts';
import { claimOf, placementNodes } from '../core/placement.ts';
import type { Store } from '../environment/store.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { Registration } from '../records/registration.ts';
import { tree } from '../records/tree.ts';
import { Drain, GuestList, VmRecord, readyDrain } from '../records/vm.ts';
import { auditEntry } from './audit.ts';
import type { ClusterView, NodeView } from './cluster-view.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export interface StoredVm {
  readonly record: VmRecord;
  readonly version: number;
}

/** Who else writes at the same time wins; so often the command is thought over. */
const triesMax = 10;

export async function readVms(store: Store): Promise<{ vms: StoredVm[]; problems: string[] }> {
  const listed = await store.list(tree.vms);
  if (!listed.ok && listed.code !== 'no-node') throw new CommandError(exitCodes.unreachable, listed.because);
  const names = listed.ok ? listed.names : [];
  const problems: string[] = [];
  const read = await Promise.all(
    names.map(async (uuid): Promise<StoredVm[]> => {
      const value = await store.read(tree.vm(uuid));
      if (!value.ok) return [];
      const parsed = parseRecord(VmRecord, value.text);
      if (parsed.ok) return [{ record: parsed.record, version: value.version }];
      problems.push(`${tree.vm(uuid)}: ${parsed.because}`);
      return [];
    }),
  );
  const vms = read.flat().sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  return { vms, problems };
}

/** By name or UUID; an error that names near ones. */
export async function findVm(store: Store, wanted: string): Promise<StoredVm> {
  return findAmong(await readVms(store), wanted);
}

function findAmong({ vms, problems }: Awaited<ReturnType<typeof readVms>>, wanted: string): StoredVm {
  const found = vms.find(({ record }) => record.name === wanted || record.uuid === wanted.toLowerCase());
  if (found !== undefined) return found;
  const unreadable = problems.length === 0 ? '' : `; unreadable: ${problems.join('; ')}`;
  const known = vms.map(({ record }) => record.name);
  const some = known.length > 20 ? `${known.slice(0, 20).join(', ')} and ${known.length - 20} more` : known.join(', ');
  throw new CommandError(
    exitCodes.usage,
    `there is no VM "${wanted}"; known: ${some === '' ? 'none yet' : some}${unreadable}`,
  );
}

/** One versioned write, and what an operator wants by it in the history. False: somebody else was faster. */
export async function writeVm(
  store: Store,
  before: StoredVm,
  changes: Partial<VmRecord>,
  wish: string,
): Promise<boolean> {
  const record = VmRecord.parse({ ...before.record, ...changes, writeId: randomUUID() });
  const path = tree.vm(record.uuid);
  const written = await store.commit([
    { kind: 'write', path, text: printRecord(record), version: before.version },
    auditEntry(`${record.name}: ${wish}`),
  ]);
  if (written.ok) return true;
  if (written.code === 'bad-version') return false;
  if (written.code === 'unclear') {
    const now = await store.read(path);
    const parsed = now.ok ? parseRecord(VmRecord, now.text) : null;
    if (parsed?.ok === true && parsed.record.writeId === record.writeId) return true;
  }
  throw new CommandError(exitCodes.unreachable, `the VM's record could not be written: ${written.because}`);
}

/** Carries a command out on the record, or ends with the reason why it is refused. Returns the VM's UUID. */
export async function orderVm(store: Store, wanted: string, command: VmCommand, by: string): Promise<VmRecord> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const all = await readVms(store);
    const vm = findAmong(all, wanted);
    const changed = commandVm(
      vm.record,
      command,
      by,
      all.vms.map(({ record }) => claimOf(record)),
    );
    if (!changed.ok) throw new CommandError(exitCodes.refused, `${vm.record.name}: ${changed.because}`);
    const { state, node, move, stranded, because } = changed;
    const changes = { state, node, move, stranded, because };
    const written = await writeVm(store, vm, { ...changes, by, sinceWallMs: Date.now() }, commandWords(command));
    if (written) return { ...vm.record, ...changes };
  }
  throw new CommandError(exitCodes.failed, `"${wanted}" is being changed by others all the time; nothing was done`);
}

/** What each node's libvirt shows; a node that does not say is missing. */
export async function readGuests(store: Store, nodes: readonly NodeView[]): Promise<Map<string, GuestList>> {
  const lists = await Promise.all(
    nodes.map(async (node) => {
      const read = await store.read(tree.guests(node.name));
      const parsed = read.ok && read.text !== '' ? parseRecord(GuestList, read.text) : null;
      const isCurrent = parsed?.ok === true && parsed.record.incarnation === node.incarnation && node.state === 'run';
      return isCurrent ? [[node.name, parsed.record] as const] : [];
    }),
  );
  return new Map(lists.flat());
}

export async function readDrain(store: Store, node: string): Promise<{ drain: Drain; version: number | null }> {
  const read = await store.read(tree.drain(node));
  if (!read.ok) {
    if (read.code === 'no-node') return { drain: readyDrain, version: null };
    throw new CommandError(exitCodes.unreachable, read.because);
  }
  const parsed = read.text === '' ? null : parseRecord(Drain, read.text);
  return { drain: parsed?.ok === true ? parsed.record : readyDrain, version: read.version };
}

/** The nodes as a plan sees them, as of now. */
export async function surveyNodes(store: Store, view: ClusterView, vms: readonly StoredVm[]): Promise<PlacementNode[]> {
  const guests = await readGuests(store, view.nodes);
  const candidates = await Promise.all(view.nodes.map((node) => candidate(store, node, guests.get(node.name))));
  return placementNodes(
    candidates,
    vms.map(({ record }) => claimOf(record)),
  );
}

async function candidate(store: Store, node: NodeView, guests: GuestList | undefined): Promise<CandidateFacts> {
  const [read, { drain }] = await Promise.all([store.read(tree.node(node.name)), readDrain(store, node.name)]);
  const registration = read.ok ? parseRecord(Registration, read.text) : null;
  const facts = node.subsystems['system']?.facts;
  const number = (key: string) => (typeof facts?.[key] === 'number' ? facts[key] : null);
  return {
    name: node.name,
    reservedMiB: registration?.ok === true ? (registration.record.vms?.reservedMiB ?? null) : null,
    daemonState: node.daemonState,
    hasSession: node.session,
    isBeingFenced: node.state === 'fencing' || node.state === 'fence-failed' || node.state === 'dead',
    maintenance: node.maintenance,
    isDraining: drain.state === 'flush' || drain.state === 'flushed',
    libvirtTrouble: guests === undefined ? 'it has not listed its guests yet' : guests.unknownBecause,
    totalMiB: number('totalMiB'),
    cores: number('cpus'),
    load: number('load1'),
  };
}
