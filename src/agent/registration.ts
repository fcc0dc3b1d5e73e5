/**
 * How a noded takes its place: the name (an ephemeral that only one life can hold), the own fence record (a condemned
 * life may not come back before its fence is finished), the registration.
 */
import { forbidsRejoin, isConfirmedOff } from '../core/fencing.ts';
import { isSameMachine } from '../core/same-machine.ts';
import type { FenceRecord } from '../records/fence.ts';
import { Keepalive } from '../records/keepalive.ts';
import { Registration, SessionHolder } from '../records/registration.ts';
import type { StoreResult } from '../environment/store.ts';
import type { FenceDevice } from '../records/device.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree, treeRoots } from '../records/tree.ts';
import { fenceLevels } from '../config/fence-levels.ts';
import { sealContext, whereIs } from '../records/device.ts';
import type { Context } from './context.ts';
import { enterOwnFence, moveOwnFence, readFence } from './fencing/fence-file.ts';
import { endIfLeftAlone } from './fencing/condemned.ts';
import { beatsWatched } from './fencing/life-sign.ts';
import { readAllVms } from './vms/desk.ts';

/** A record from the store bounds no wait. */
const publishesWithinMs = 60_000;

export type Claimed =
  | { readonly kind: 'claimed' }
  | { readonly kind: 'wait'; readonly because: string }
  | { readonly kind: 'taken'; readonly because: string };

/** Makes the tree's fixed parts. False: the store is away or refuses us. */
export async function makeTree(context: Context): Promise<{ readonly ok: boolean; readonly because: string }> {
  const { store } = context.env;
  for (const path of [...treeRoots, tree.node(context.self.name)]) {
    const made = await store.create(path, '', 'persistent');
    if (!made.ok && made.code !== 'node-exists') return { ok: false, because: made.because };
  }
  return { ok: true, because: '' };
}

/**
 * S10: why this tree may not be joined; null: it may. In a tree that everybody may change, a record is nobody's word: anybody
 * could ask for fences. A life whose silence would be counted joins all the same (the store's check tells of it): its peers
 * would fence this machine for staying out.
 */
export async function mayUseTree(context: Context): Promise<string | null> {
  const { store } = context.env;
  const exposure = await store.exposure();
  if (!exposure.ok) return exposure.because;
  if (exposure.where === null) return null;
  const read = await store.read(tree.keepalive(context.self.name));
  const before = read.ok ? parseRecord(Keepalive, read.text) : null;
  if (before?.ok === true && before.record.state !== 'stop') return null;
  return `everybody who reaches ZooKeeper may change this cluster's tree (${exposure.where}); shut it with setAcl, and this node joins`;
}

/** One try to hold the node's name. A former life of this very machine that is certainly over is cleared away. */
export async function claimName(context: Context): Promise<Claimed> {
  const { env, self } = context;
  const path = tree.session(self.name);
  const holder: SessionHolder = { schema: 1, incarnation: self.incarnation, ...env.machine };
  const take = () => env.store.create(path, printRecord(holder), 'ephemeral');
  let made = await take();
  if (!made.ok && made.code === 'node-exists') {
    const hindrance = await clearFormerLife(context, path);
    if (hindrance !== null) return hindrance;
    made = await take();
  }
  return made.ok ? { kind: 'claimed' } : { kind: 'wait', because: made.because };
}

/** Null: the name is free now. */
async function clearFormerLife(context: Context, path: string): Promise<Claimed | null> {
  const { env, self, history } = context;
  const { bootId } = env.machine;
  const read = await env.store.read(path);
  if (!read.ok) return read.code === 'no-node' ? null : { kind: 'wait', because: read.because };
  if (read.owner === null) {
    const because = `${path} is of no session, so it holds no name: somebody wrote it by hand; it is removed`;
    history.happened('record-unreadable', because, { node: self.name });
    return freed(await env.store.remove(path, read.version), 'a record of no session held the name');
  }
  const parsed = parseRecord(SessionHolder, read.text);
  if (!parsed.ok)
    return { kind: 'wait', because: `${path} is held by a session whose record cannot be read: ${parsed.because}` };
  const other = parsed.record;
  if (other.incarnation === self.incarnation) {
    if (read.owner === env.store.session().id) return { kind: 'claimed' };
    return freed(await env.store.remove(path, read.version), 'the name was held by an older session of this life');
  }
  if (!isSameMachine(other, env.machine)) {
    return {
      kind: 'taken',
      because: `the name "${self.name}" is held by another machine: ${other.hostname} (machine id ${other.machineId}, pid ${other.pid})`,
    };
  }
  if (other.bootId === bootId && env.processLives(other.pid)) {
    return { kind: 'taken', because: `a noded for "${self.name}" already runs on this machine (pid ${other.pid})` };
  }
  const goesOn = other.bootId === bootId ? false : await publishes(context, other.incarnation);
  if (goesOn === null) return { kind: 'wait', because: 'whether the previous incarnation goes on could not be read' };
  if (goesOn)
    return {
      kind: 'taken',
      because: `the name "${self.name}" is held by a machine that lives and has the machine id of this one (${other.hostname}, ${other.machineId}): is one a copy of the other's disk?`,
    };
  return freed(await env.store.remove(path, read.version), 'a former life of this machine held the name');
}

/** Whether that life goes on: one from before the last boot of this machine does not. Null: not known. */
async function publishes({ env, self }: Context, incarnation: string): Promise<boolean | null> {
  const last = async () => {
    const read = await env.store.read(tree.keepalive(self.name));
    if (!read.ok) return read.code === 'no-node' ? 'nothing' : null;
    const parsed = parseRecord(Keepalive, read.text);
    return parsed.ok && parsed.record.incarnation === incarnation ? parsed.record : 'nothing';
  };
  const before = await last();
  if (before === null || before === 'nothing') return before === null ? null : false;
  await env.clock.sleep(Math.min(Math.round(before.intervalMs * beatsWatched), publishesWithinMs));
  const now = await last();
  return now === null ? null : now !== 'nothing' && now.sequence !== before.sequence;
}

/** A restart is a race against the saving throws: what is free is taken at once, not with the next try. */
function freed(removed: StoreResult<object>, because: string): Claimed | null {
  return removed.ok || removed.code === 'no-node' ? null : { kind: 'wait', because: `${because}: ${removed.because}` };
}

/** Whether the own fence record lets this life begin; the sentence says why not. */
export async function mayRejoin(context: Context): Promise<string | null> {
  const own = await readFence(context, context.self.name);
  if (own === null) return 'the own fence record could not be read';
  if (forbidsRejoin(own.record.state)) {
    await enterOwnFence(context, own);
    await endIfLeftAlone(context, own);
  }
  if (forbidsRejoin(own.record.state))
    return `${own.record.fencer} is fencing this node (${own.record.reason}); it joins when that is finished`;
  return whyOtherMachineCounts(context, own.record);
}

/**
 * Another machine had this name before, and nothing shows that what it ran is over: its session ended, but it may only hang (S1, S2). Null:
 * it was this machine, or that one stopped cleanly, is confirmed off, or was removed. A watchdog's bound says nothing of guests.
 */
async function whyOtherMachineCounts(context: Context, own: FenceRecord): Promise<string | null> {
  const { env, self } = context;
  const [node, keepalive] = await Promise.all([
    env.store.read(tree.node(self.name)),
    env.store.read(tree.keepalive(self.name)),
  ]);
  if (!node.ok) return node.because;
  if (!keepalive.ok && keepalive.code !== 'no-node') return keepalive.because;
  const registered = parseRecord(Registration, node.text);
  if (!registered.ok || isSameMachine(registered.record, env.machine)) return null;
  const { incarnation, hostname, machineId } = registered.record;
  const last = keepalive.ok ? parseRecord(Keepalive, keepalive.text) : null;
  // As long as its record is not closed nobody has come back since.
  const isOff = isConfirmedOff(own.state) && (own.state !== 'closed' || own.incarnation === incarnation);
  if (isOff && own.level !== 'watchdog') return null;
  const hasStopped =
    isOff || (last?.ok === true && last.record.incarnation === incarnation && last.record.state === 'stop');
  const vms = hasStopped ? await readAllVms(context) : [];
  if (vms === null) return 'which VMs are recorded here could not be read';
  const guests = vms
    .filter(({ record }) => record.node === self.name && record.active)
    .map(({ record }) => record.name);
  if (hasStopped && guests.length === 0) return null;
  const what = hasStopped
    ? `its noded has ended, and ${guests.join(', ')} may still run there`
    : 'it has neither stopped cleanly nor been fenced: what it ran may still run';
  return `another machine had the name ${self.name} before (${hostname}, machine id ${machineId}); ${what}; when it is surely off: nodectl fence confirm ${self.name}`;
}

/** Closes the record of the former life's fence: this incarnation is the proof that it is over. */
export async function closeOwnFence(context: Context): Promise<boolean> {
  const { self, history } = context;
  const own = await readFence(context, self.name);
  if (own === null) return false;
  const { record } = own;
  if (record.incarnation === self.incarnation) return true;
  const because = `${self.name} has come back as a new incarnation`;
  const moved = await moveOwnFence(context, own, 'rejoined', 'rejoined', because, { rejoinedAs: self.incarnation });
  if (moved === false) return false;
  const kind = moved === 'closed' ? 'rejoined' : 'fence-cancelled';
  if (moved !== null) history.happened(kind, because, { node: self.name, fenceId: record.id });
  return true;
}

/** Writes who this node is now. False: try again. */
export async function register(context: Context, devices: readonly FenceDevice[]): Promise<boolean> {
  const { env, self, config, board } = context;
  const registration: Registration = {
    schema: 1,
    name: self.name,
    role: self.role,
    priority: self.priority,
    incarnation: self.incarnation,
    ...env.machine,
    version: self.version,
    intervalMs: config.keepalive.interval,
    action: config.fencing.action,
    apiAddress: config.api.enabled ? `${config.api.address ?? env.machine.hostname}:${config.api.port}` : null,
    leaseMs: config.timing.leaseMs,
    stopBoundMs: config.timing.stopBoundMs,
    levels: fenceLevels(config).map((level) => [...level]),
    devices: devices.map((device) => ({ name: device.name, kind: device.kind, where: whereIs(device) })),
    devicesSealed: devices.length === 0 ? null : env.secrets.seal(JSON.stringify({ devices }), sealContext(self.name)),
    watchdogBoundMs: board.watchdogBoundMs,
    vms: config.vms.enabled
      ? { address: config.vms.address ?? self.name, reservedMiB: config.vms.reservedMemory }
      : null,
  };
  const read = await env.store.read(tree.node(self.name));
  if (!read.ok) return false;
  const written = await env.store.write(
    tree.node(self.name),
    printRecord(Registration.parse(registration)),
    read.version,
  );
  return written.ok;
}
