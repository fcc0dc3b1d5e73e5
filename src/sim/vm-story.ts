/** The words of a story that are about VMs: as nodectl would write them. */
import { parseDuration } from '../config/duration.ts';
import { claimOf } from '../core/placement.ts';
import { commandVm } from '../core/vm-command.ts';
import type { VmCommand } from '../core/vm-command.ts';
import { printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { Drain, VmRecord, newVm, readyDrain } from '../records/vm.ts';
import type { LibvirtMode } from './hypervisor.ts';
import { libvirtModes, usualTimes } from './hypervisor.ts';
import type { World } from './world.ts';

/** vm1 -> 00000000-0000-4000-8000-000000000001. */
export function simUuid(name: string): string {
  return `00000000-0000-4000-8000-${name.replace(/\D/g, '').padStart(12, '0')}`;
}

export function readSimVm(world: World, name: string): VmRecord | null {
  const read = world.ensemble.read(tree.vm(simUuid(name)));
  return read.ok && read.value.text !== '' ? VmRecord.parse(JSON.parse(read.value.text)) : null;
}

function readSimVms(world: World): VmRecord[] {
  const listed = world.ensemble.list(tree.vms);
  const uuids = listed.ok ? listed.value : [];
  return uuids.flatMap((uuid) => {
    const read = world.ensemble.read(tree.vm(uuid));
    return read.ok ? [VmRecord.parse(JSON.parse(read.value.text))] : [];
  });
}

/** vm NAME define NODE [MIB] [XML] [apart=GROUP ...] | start | shutdown | stop | restart | disable | migrate [TARGET] | migrate-live [TARGET] | move TARGET | unmigrate | cancel | flush-lock | by-shutdown (as vm modify --migration-method shutdown); misplace NODE: a hand writes another node into its record */
export function vmVerb(world: World, [name = '', verb = '', ...rest]: readonly string[]): void {
  const uuid = simUuid(name);
  if (verb === 'define') {
    const record = newVm({
      uuid,
      name,
      node: rest[0] ?? 'node1',
      memoryMiB: Number(rest[1] ?? '64'),
      vcpus: 1,
      selector: 'mem',
      limit: [],
      antiAffinity: rest.flatMap((word) => /^apart=(.+)$/.exec(word)?.slice(1) ?? []),
      autostart: false,
      migrationMethod: 'live',
      by: 'operator',
      nowWallMs: 0,
      writeId: 'story',
    });
    world.ensemble.vandalise(tree.vm(uuid), printRecord(record));
    world.ensemble.vandalise(
      tree.vmDefinition(uuid),
      printRecord({ schema: 1, xml: `<domain>${rest[2] ?? ''}</domain>` }),
    );
    return;
  }
  const record = readSimVm(world, name);
  if (record === null && world.ensemble.wasWiped) return; // the operator is told so
  if (record === null) throw new Error(`there is no VM "${name}"`);
  if (verb === 'flush-lock') {
    const lock = world.ensemble.read(tree.vmLock(uuid));
    if (lock.ok) world.ensemble.remove(tree.vmLock(uuid), lock.value.version);
    return;
  }
  if (verb === 'by-shutdown') {
    const text = printRecord({ ...record, migrationMethod: 'shutdown', writeId: `story-${world.time.nowMs}` });
    world.ensemble.vandalise(tree.vm(uuid), text);
    return;
  }
  if (verb === 'misplace') {
    world.ensemble.vandalise(tree.vm(uuid), printRecord({ ...record, node: rest[0] ?? '', writeId: 'by hand' }));
    return;
  }
  const command = commandOf(verb, rest[0] ?? null, `m${Math.round(world.time.nowMs)}`);
  const changed = commandVm(record, command, 'operator', readSimVms(world).map(claimOf));
  if (!changed.ok) {
    world.trace.line('story', `vm ${name} ${verb} is refused`, changed.because);
    return;
  }
  const { state, node, move, stranded, because } = changed;
  world.ensemble.vandalise(
    tree.vm(uuid),
    printRecord({ ...record, state, node, move, stranded, because, writeId: `story-${world.time.nowMs}` }),
  );
}

function commandOf(verb: string, target: string | null, moveId: string): VmCommand {
  switch (verb) {
    case 'migrate':
    case 'migrate-live':
      return { kind: 'migrate', target, forceLive: verb === 'migrate-live', moveId };
    case 'move':
    case 'unmigrate':
      return { kind: verb, target, moveId };
    case 'cancel':
      return { kind: 'cancel', by: 'operator' };
    case 'start':
    case 'shutdown':
    case 'stop':
    case 'restart':
    case 'disable':
      return { kind: verb };
    default:
      throw new Error(`vm NAME ${verb}: not a word of stories`);
  }
}

/** guest NAME NODE off|crash|destroy|panic|io-error: what happens behind noded's back; who panics is kept by on_crash=preserve. */
export function guestVerb(world: World, [name = '', node = '', what = '']: readonly string[]): void {
  const machine = world.machine(node);
  const uuid = simUuid(name);
  const power = what === 'panic' ? 'crashed' : what === 'io-error' ? 'paused' : 'off';
  if (power !== 'off' && machine.guests.get(uuid)?.power !== 'running') return;
  const guest = { power, reason: reasons[what] ?? 'shutdown' } as const;
  machine.guests.set(uuid, guest);
  world.onGuest(machine.name, uuid, guest);
}

const reasons: Readonly<Record<string, string>> = {
  crash: 'crashed',
  destroy: 'destroyed',
  panic: 'panicked',
  'io-error': 'I/O error',
};

/** libvirt NODE MODE|slow-copy=DURATION|slow-start=DURATION|copies-alone (without noded): from its next migration or start on. */
export function libvirtVerb(world: World, [node = '', mode = '']: readonly string[]): void {
  world.machine(node);
  const usual = world.libvirtTimes.get(node) ?? usualTimes;
  if (mode === 'copies-alone') {
    world.libvirtTimes.set(node, { ...usual, copiesAlone: true });
    return;
  }
  const [, what, time] = /^slow-(copy|start)=(.+)$/.exec(mode) ?? [];
  const ms = parseDuration(time ?? '');
  if (ms !== null) {
    world.libvirtTimes.set(node, { ...usual, ...(what === 'copy' ? { copyMs: ms } : { startMs: ms }) });
    return;
  }
  if (!(libvirtModes as readonly string[]).includes(mode))
    throw new Error(`libvirt NODE ${libvirtModes.join('|')}|slow-copy=DURATION|slow-start=DURATION|copies-alone`);
  world.libvirtModes.set(node, mode as LibvirtMode);
}

/** drain NODE flush|ready */
export function drainVerb(world: World, [node = '', what = '']: readonly string[]): void {
  const read = world.ensemble.read(tree.drain(node));
  const before = read.ok && read.value.text !== '' ? Drain.parse(JSON.parse(read.value.text)) : readyDrain;
  const state = what === 'flush' ? 'flush' : 'unflush';
  const next: Drain = { ...before, state, by: 'operator', doing: '', total: 0, done: 0, stuck: {} };
  world.ensemble.vandalise(tree.drain(node), printRecord(next));
}
