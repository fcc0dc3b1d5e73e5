/** A VM as people and programs see it: its record, with how its guest is, as far as its node tells. */
import * as z from 'zod';
import { guestPowers, vmHealth } from '../core/vm.ts';
import type { GuestList } from './vm.ts';
import { VmRecord } from './vm.ts';

export const VmView = VmRecord.extend({
  /** `unknown`: its node, or the node's libvirt, does not say. Null: the node's libvirt does not know it. */
  guest: z.union([z.object({ power: z.enum(guestPowers), reason: z.string() }), z.literal('unknown'), z.null()]),
  health: z.enum(['ok', 'off', 'trouble', 'unknown']),
  healthBecause: z.string(),
});
export type VmView = z.output<typeof VmView>;

/** `list`: what the VM's node says; undefined: it says nothing, or is not there. */
export function viewVm(record: VmRecord, list: GuestList | undefined): VmView {
  const guest = list === undefined || list.unknownBecause !== null ? 'unknown' : (list.guests[record.uuid] ?? null);
  const { health, because } = vmHealth({ state: record.state, active: record.active, guest });
  const silent = list?.unknownBecause ?? null;
  const healthBecause = guest === 'unknown' && silent !== null ? `libvirt on ${record.node}: ${silent}` : because;
  return { ...record, guest, health, healthBecause };
}
