/**
 * S2: a list of guests is one fact or none. While one half of libvirt's answer fails, a node says that it does not know its
 * guests: a list that it publishes instead would show guests as gone that run.
 */
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { GuestList } from '../../records/vm.ts';
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 500;
/** A few looks of a node, and the write of what it saw. */
const graceMs = 6000;

export function checkWholeLists(world: World): () => string[] {
  const found: string[] = [];
  const since = new Map<string, number>();
  repeat(world, lookMs, () => {
    for (const { name, process } of world.machines.values()) {
      const mode = world.libvirtModes.get(name);
      const isHalf = mode === 'no-names' || mode === 'no-states';
      const canSay = world.ensemble.isAvailable() && !world.cutFromStore.has(name) && process?.frozen === false;
      if (!isHalf || !canSay || world.agents.get(name)?.board.daemonState !== 'run' || !claimsToKnow(world, name)) {
        since.delete(name);
        continue;
      }
      const sinceMs = since.get(name) ?? world.time.nowMs;
      since.set(name, sinceMs);
      if (world.time.nowMs - sinceMs < graceMs) continue;
      found.push(at(world, `${name} publishes a list of its guests, and libvirt gives it half an answer (${mode})`));
      since.set(name, Infinity);
    }
  });
  return () => found;
}

function claimsToKnow({ ensemble }: World, node: string): boolean {
  const read = ensemble.read(tree.guests(node));
  const parsed = read.ok && read.value.text !== '' ? parseRecord(GuestList, read.value.text) : null;
  if (parsed?.ok !== true || parsed.record.unknownBecause !== null) return false;
  // One of an old copy of the store counts for nobody: its node's keepalive names none that was written since.
  const beat = ensemble.read(tree.keepalive(node));
  const keepalive = beat.ok ? parseRecord(Keepalive, beat.value.text) : null;
  if (keepalive?.ok !== true || keepalive.record.incarnation !== parsed.record.incarnation) return false;
  const { guestList } = keepalive.record;
  return guestList !== null && parsed.record.number >= guestList;
}
