/**
 * After a restore a VM starts where no node shows a guest of it, so a list that lacks one is no proof: libvirt can answer with an empty list
 * (a connection that was cut, a daemon that has just started). Each VM that a record names and the list lacks is looked up once; from then
 * on the list is believed about it, until it shows the guest again.
 */
import type { Guest } from '../../core/vm.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { VmRecord } from '../../records/vm.ts';
import { lookAt } from './shut-guest.ts';

/** Each question is a process. */
const atOnce = 10;

export class MissingGuests {
  private readonly hypervisor: Hypervisor;
  /** VMs that this libvirt does not know, or knows as off. */
  private readonly gone = new Set<string>();

  constructor(hypervisor: Hypervisor) {
    this.hypervisor = hypervisor;
  }

  /** The store was restored, or its records count again. */
  forget(): void {
    this.gone.clear();
  }

  /** Why a whole list is not believed; null: it is. */
  async whyDoubted(records: readonly VmRecord[], guests: ReadonlyMap<string, Guest>): Promise<string | null> {
    for (const uuid of guests.keys()) this.gone.delete(uuid);
    const open = records.filter(({ uuid }) => !guests.has(uuid) && !this.gone.has(uuid));
    for (let from = 0; from < open.length; from += atOnce) {
      const some = open.slice(from, from + atOnce);
      const found = await Promise.all(some.map(({ uuid }) => lookAt(this.hypervisor, uuid)));
      for (const [index, { uuid, name }] of some.entries()) {
        if (found[index] === 'off') this.gone.add(uuid);
        else if (found[index] === 'unknown')
          return `libvirt does not list ${name}, and does not say whether it knows it`;
        else return `libvirt does not list ${name}, and knows it all the same`;
      }
    }
    return null;
  }
}
