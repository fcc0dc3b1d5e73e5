/** The end of all trouble: every fault of a world is taken away, so that what follows is the product's own doing. */
import { cancelRefusal } from '../core/fence-cancel.ts';
import { clearedOf, findingKey, standingFindings } from '../core/device-trust.ts';
import { DeviceKnowledgeRecord, endedMax } from '../records/device-knowledge.ts';
import { FenceLedger, FenceRecord, cancelledBy, entered } from '../records/fence.ts';
import { HistoryEvent } from '../records/history.ts';
import { Keepalive } from '../records/keepalive.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { ConfirmRequest, OperatorRequest } from '../records/request.ts';
import { tree } from '../records/tree.ts';
import { Drain, VmRecord } from '../records/vm.ts';
import { drainVerb, vmVerb } from './vm-story.ts';
import type { Guest } from '../core/vm.ts';
import type { SimMachine } from './machine.ts';
import type { World } from './world.ts';

/** A person looks at the message after so long. */
const patienceMs = 60_000;

/** Whatever is broken in `world` is whole again; machines are powered on, and their noded is started. */
export function repair(world: World): void {
  const { ensemble } = world;
  ensemble.setAvailable(true);
  for (const [index, server] of ensemble.servers.entries()) {
    server.slowMs = 0;
    server.learn(null);
    ensemble.setServer(index + 1, 'up', 0);
  }
  for (const faulty of [
    world.cutFromStore,
    world.cutFromBmcs,
    world.cutFromPeers,
    world.hanging,
    world.losingAnswer,
    world.withoutReset,
    world.withoutWatchdog,
  ])
    faulty.clear();
  world.resourceModes.clear();
  world.refusingKeepalive.clear();
  world.addresses.repair(null);
  ensemble.setClockError(0);
  for (const machine of world.replaced) machine.powerOff();
  world.libvirtModes.clear();
  world.libvirtTimes.clear();
  for (const bmc of world.bmcs.values()) {
    bmc.mode = 'ok';
    bmc.slowMs = 0;
    bmc.restartUntilMs = -Infinity;
    bmc.leadsTo = null;
    if (bmc.outlet !== null) bmc.outlet.on = true;
  }
  ensemble.unreadable.clear();
  for (const name of world.machines.keys()) clearVerb(world, [name]);
  for (const machine of world.machines.values()) {
    const { process, guards } = machine;
    process?.resume();
    for (const guard of guards.values()) {
      guard.resume();
      guard.thaw();
    }
    if (process?.frozen === true) process.thaw();
    machine.powerOn();
    machine.startNoded();
    for (const [uuid, { reason }] of machine.guests) if (reason === 'I/O error') resumeGuest(world, machine, uuid);
  }
  endPauses(world);
}

/** The disk of a guest that libvirt had paused for it works again, and a person resumes the guest. */
function resumeGuest(world: World, machine: SimMachine, uuid: string): void {
  const guest: Guest = { power: 'running', reason: 'unpaused' };
  machine.guests.set(uuid, guest);
  world.onGuest(machine.name, uuid, guest);
}

/** What people have asked for: fences, maintenance, nodes told to leave, nodes being emptied. */
function endPauses(world: World): void {
  const { ensemble } = world;
  const off = printRecord({
    schema: 1,
    on: false,
    by: 'operator',
    reason: '',
    sinceWallMs: 0,
    forMs: null,
    keepsRole: false,
  });
  const stay = printRecord({ schema: 1, left: false, by: 'operator', reason: 'story', sinceWallMs: 0 });
  const put = (path: string, text: string) => {
    const read = ensemble.read(path);
    if (read.ok && read.value.text !== '' && read.value.text !== text) ensemble.vandalise(path, text);
  };
  const requests = ensemble.list(tree.requests);
  for (const id of requests.ok ? requests.value : []) {
    const path = `${tree.requests}/${id}`;
    const read = ensemble.read(path);
    if (read.ok) ensemble.remove(path, read.value.version);
  }
  put(tree.maintenance, off);
  for (const name of world.machines.keys()) {
    put(tree.nodeMaintenance(name), off);
    put(tree.left(name), stay);
    const drain = ensemble.read(tree.drain(name));
    const parsed = drain.ok ? parseRecord(Drain, drain.value.text) : null;
    if (parsed?.ok === true && parsed.record.state !== 'ready') drainVerb(world, [name, 'ready']);
  }
}

/**
 * What a person would do when the trouble is over: start what was given up, what was stopped, and what was switched off on purpose;
 * and, when the fences have failed for a while (`afterMs`), what their message asks for.
 */
export function tidy(world: World, afterMs: number): void {
  for (const record of readAll(world, tree.vms, tree.vm, VmRecord))
    if (record.state === 'fail') vmVerb(world, [record.name, 'start']);
    else if (record.state === 'start' && world.machine(record.node).guests.get(record.uuid)?.power === 'crashed')
      vmVerb(world, [record.name, 'restart']);
  for (const machine of world.machines.values()) {
    if (machine.stoppedOnPurpose) machine.startNoded();
    const isReplaced = world.replaced.some(({ name }) => name === machine.name);
    if (isReplaced && afterMs >= patienceMs && world.agents.get(machine.name)?.board.daemonState !== 'run')
      confirm(world, machine.name, true); // the old one lies on the table, whatever its outlet or the new one's BMC says
    const [fence] = readAll(world, null, () => tree.fence(machine.name), FenceRecord);
    // Two nodes have condemned each other, and neither may go on.
    if (machine.power === 'on' && afterMs >= 2 * patienceMs && fence?.state === 'intent')
      cancelVerb(world, [machine.name]);
    if (machine.power === 'on' || fence === undefined) continue;
    const isLeftOff =
      fence.action === 'off' || fence.level === 'manual' || fence.steps.some(({ what }) => what === 'stays off');
    if (fence.state === 'finished' && isLeftOff) machine.powerOn();
    else if (afterMs >= patienceMs && (fence.state === 'failed' || fence.state === 'intent'))
      confirm(world, machine.name);
    else if (afterMs >= patienceMs && isToldToBeOff(world, machine.name, fence.id)) machine.powerOn();
  }
}

/** Whether the history says that an order struck late. */
function isToldToBeOff(world: World, node: string, fenceId: string): boolean {
  const all = readAll(world, tree.history, (name) => `${tree.history}/${name}`, HistoryEvent);
  return all.some((event) => event.kind === 'never-came-up' && event.node === node && event.fenceId === fenceId);
}

/** `nodectl fence confirm NODE`, once. */
function confirm(world: World, node: string, despiteReading = false): void {
  const asked = readAll(world, tree.requests, (id) => `${tree.requests}/${id}`, ConfirmRequest);
  if (asked.some((request) => request.node === node)) return;
  world.trace.line('story', `confirm ${node}`, '');
  sayOff(world, node, despiteReading);
}

/** clear NODE: as `nodectl fence clear`; what cannot be read is dropped too. */
export function clearVerb(world: World, [node = '']: readonly string[]): void {
  const path = tree.devices(node);
  const read = world.ensemble.read(path);
  if (!read.ok) return;
  const parsed = parseRecord(DeviceKnowledgeRecord, read.value.text);
  const standing = parsed.ok ? standingFindings(parsed.record.findings) : [];
  if (parsed.ok && standing.length === 0) return;
  const before = parsed.ok ? parsed.record : { revision: 0, findings: [], seenOn: [], silent: [], ended: [] };
  const gone = standing.filter((one) => clearedOf(one) === null).map(findingKey);
  const ended = [...before.ended, ...gone].slice(-endedMax);
  const cleared = { by: 'operator', reason: 'story', wallMs: 0 };
  const findings = before.findings.flatMap((one) => clearedOf(one) ?? []);
  const { seenOn, silent } = before;
  const record = { schema: 1, revision: before.revision + 1, findings, seenOn, silent, ended, cleared };
  world.ensemble.vandalise(path, printRecord(record));
}

/** remove NODE: as `nodectl node remove NODE`. */
export function removeVerb({ ensemble, trace }: World, [node = '']: readonly string[]): void {
  const uuids = ensemble.list(tree.vms);
  for (const uuid of uuids.ok ? uuids.value : []) {
    const read = ensemble.read(tree.vm(uuid));
    const vm = read.ok ? parseRecord(VmRecord, read.value.text) : null;
    if (vm?.ok !== true || (vm.record.node !== node && vm.record.move?.target !== node)) continue;
    trace.line('story', 'remove refused', `${vm.record.name} is there, or moves there`);
    return;
  }
  const below = (path: string) => {
    const listed = ensemble.list(path);
    return listed.ok ? listed.value.map((one) => `${path}/${one}`) : [];
  };
  const own = [tree.verification(node), tree.fence(node), tree.node(node)].flatMap((path) => below(path));
  for (const path of [...own, tree.node(node), tree.fence(node)]) {
    const read = ensemble.read(path);
    if (read.ok) ensemble.remove(path, read.value.version);
  }
}

/** confirm NODE [looked]: as `nodectl fence confirm`. A person who has looked does not say it of a machine that is on. */
export function confirmVerb(world: World, [node = '', looked]: readonly string[]): void {
  const isOn = [world.machine(node), ...world.replaced].some(({ name, power }) => name === node && power === 'on');
  if (looked !== undefined && isOn) return;
  sayOff(world, node, false);
}

function sayOff(world: World, node: string, despiteReading: boolean): void {
  const beat = world.ensemble.read(tree.keepalive(node));
  const incarnation = beat.ok ? incarnationIn(beat.value.text) : null;
  const said = { schema: 1, kind: 'confirm', node, by: 'operator', reason: 'it is off', despiteReading };
  const request = { ...said, incarnation };
  const text = printRecord({ ...request, refusal: null });
  world.ensemble.create(world.operatorSession, `${tree.requests}/r-`, text, 'ephemeral-sequential');
}

/** Null: it cannot be read. */
function incarnationIn(text: string): string | null {
  const parsed = parseRecord(Keepalive, text);
  return parsed.ok ? parsed.record.incarnation : null;
}

/** cancel NODE: as `nodectl fence cancel`. */
export function cancelVerb(world: World, [node = '']: readonly string[]): void {
  const { ensemble, trace, time } = world;
  const [path, ledgerPath] = [tree.fence(node), tree.fencing];
  const [read, ledger] = [ensemble.read(path), ensemble.read(ledgerPath)];
  const fence = read.ok ? parseRecord(FenceRecord, read.value.text) : null;
  const entries = ledger.ok ? parseRecord(FenceLedger, ledger.value.text) : null;
  if (fence?.ok !== true || entries?.ok !== true) {
    trace.line('story', 'cancel refused', 'the record cannot be read');
    return;
  }
  const { process } = world.machine(node);
  const publishes = process !== null && !process.frozen;
  const refusal = cancelRefusal({ ...fence.record, publishes });
  if (refusal !== null) {
    trace.line('story', 'cancel refused', refusal);
    return;
  }
  const next = cancelledBy(fence.record, 'operator', 'story', time.nowMs);
  if (next === null) return;
  ensemble.vandalise(path, printRecord(next));
  ensemble.vandalise(ledgerPath, printRecord(entered(entries.record, node, next)));
}

/** withdraw NODE: the operators who wait for a fence of NODE press Ctrl-C. */
export function withdrawVerb(world: World, [node = '']: readonly string[]): void {
  const listed = world.ensemble.list(tree.requests);
  for (const id of listed.ok ? listed.value : []) {
    const path = `${tree.requests}/${id}`;
    const read = world.ensemble.read(path);
    const parsed = read.ok ? parseRecord(OperatorRequest, read.value.text) : null;
    if (read.ok && parsed?.ok === true && parsed.record.node === node) world.ensemble.remove(path, read.value.version);
  }
}

/** The records of a folder, or (null) the one record; what cannot be read is left out. */
function readAll<T>(
  world: World,
  folder: string | null,
  pathOf: (name: string) => string,
  schema: Parameters<typeof parseRecord<T>>[0],
): T[] {
  const listed = folder === null ? { ok: true as const, value: [''] } : world.ensemble.list(folder);
  return (listed.ok ? listed.value : []).flatMap((name) => {
    const read = world.ensemble.read(pathOf(name));
    const parsed = read.ok ? parseRecord(schema, read.value.text) : null;
    return parsed?.ok === true ? [parsed.record] : [];
  });
}
