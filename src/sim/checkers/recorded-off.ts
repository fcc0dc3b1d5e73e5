/**
 * S2: a VM is recorded as off (`active` false) only when no QEMU of it is left on its node: neither one that runs, nor one that
 * panicked or is paused with the disks open. What a restored store says counts once `active` was written
 * anew: an operator's command leaves it as it was in the copy. When a move by shutdown hands it over, no QEMU of it is left on any node.
 */
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmRecord } from '../../records/vm.ts';
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 200;
/** An operator's change of a setting in the first moments after a restore says nothing of the guest, in ms. */
const settledMs = 1000;

export function checkRecordedOff(world: World): () => string[] {
  const found: string[] = [];
  const told = new Set<string>();
  const handedOver = new Set<string>();
  const writtenMs = new Map<string, number>();
  /** By VM: `active` as the store has it. */
  const activeIn = new Map<string, boolean>();
  world.ensemble.onBreak.add(() => {
    for (const uuid of activeIn.keys()) {
      const read = world.ensemble.read(tree.vm(uuid));
      const parsed = read.ok ? parseRecord(VmRecord, read.value.text) : null;
      if (parsed?.ok === true) activeIn.set(uuid, parsed.record.active);
    }
  });
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const uuid = /^\/vms\/([^/]+)$/.exec(path)?.[1];
    const parsed = uuid === undefined ? null : parseRecord(VmRecord, text);
    if (uuid === undefined || parsed?.ok !== true) return;
    const { lastMove, name, node, active } = parsed.record;
    if (activeIn.get(uuid) !== active) writtenMs.set(path, world.time.nowMs);
    activeIn.set(uuid, active);
    if (lastMove?.ok !== true || !lastMove.because.startsWith('by shutdown') || handedOver.has(lastMove.id)) return;
    handedOver.add(lastMove.id);
    for (const machine of world.machines.values()) {
      const power = machine.guests.get(uuid)?.power ?? 'off';
      if (power !== 'off')
        found.push(at(world, `${name} is handed over to ${node}, and is ${power} on ${machine.name}`));
    }
  };
  repeat(world, lookMs, () => {
    for (const machine of world.machines.values())
      for (const [uuid, guest] of machine.guests) {
        if (guest.power === 'off' || told.has(uuid)) continue;
        const read = world.ensemble.read(tree.vm(uuid));
        const parsed = read.ok ? parseRecord(VmRecord, read.value.text) : null;
        if (parsed?.ok !== true || parsed.record.node !== machine.name || parsed.record.active) continue;
        const { restoredAtMs } = world.ensemble;
        if (restoredAtMs !== null && (writtenMs.get(tree.vm(uuid)) ?? -Infinity) < restoredAtMs + settledMs) continue;
        told.add(uuid);
        const { name, state } = parsed.record;
        found.push(at(world, `${name} is recorded as off (${state}) on ${machine.name}, and is ${guest.power} there`));
      }
  });
  return () => found;
}
