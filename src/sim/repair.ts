/** The end of all trouble: every fault of a world is taken away, so that what follows is the product's own doing. */
import { FenceRecord } from '../records/fence.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { ConfirmRequest } from '../records/request.ts';
import { tree } from '../records/tree.ts';
import { Drain, VmRecord } from '../records/vm.ts';
import { drainVerb, vmVerb } from './vm-story.ts';
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
  world.libvirtModes.clear();
  for (const bmc of world.bmcs.values()) {
    bmc.mode = 'ok';
    bmc.slowMs = 0;
    if (bmc.outlet !== null) bmc.outlet.on = true;
  }
  for (const machine of world.machines.values()) {
    const { process } = machine;
    process?.resume();
    if (process?.frozen === true) process.thaw();
    machine.powerOn();
    machine.startNoded();
  }
  endPauses(world);
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
  for (const machine of world.machines.values()) {
    if (machine.stoppedOnPurpose) machine.startNoded();
    const [fence] = readAll(world, null, () => tree.fence(machine.name), FenceRecord);
    if (machine.power === 'on' || fence === undefined) continue;
    const isLeftOff = fence.action === 'off' || fence.level === 'manual';
    if (fence.state === 'finished' && isLeftOff) machine.powerOn();
    else if (afterMs >= patienceMs && (fence.state === 'failed' || fence.state === 'intent'))
      confirm(world, machine.name);
  }
}

/** `nodectl fence confirm NODE`, once. */
function confirm(world: World, node: string): void {
  const asked = readAll(world, tree.requests, (id) => `${tree.requests}/${id}`, ConfirmRequest);
  if (asked.some((request) => request.node === node)) return;
  world.trace.line('story', `confirm ${node}`, '');
  confirmVerb(world, [node]);
}

/** confirm NODE: as `nodectl fence confirm`. */
export function confirmVerb(world: World, [node = '']: readonly string[]): void {
  const request = { schema: 1, kind: 'confirm', node, by: 'operator', reason: 'it is off', despiteReading: false };
  const text = printRecord({ ...request, refusal: null });
  world.ensemble.create(world.operatorSession, `${tree.requests}/r-`, text, 'ephemeral-sequential');
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
