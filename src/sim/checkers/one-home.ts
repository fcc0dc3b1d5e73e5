/**
 * S2 as code: a VM never runs on two machines. Looks at the machines, not at what the product or libvirt says; a paused copy
 * that waits for a migration to end does not run. A guest that crashed and is kept has its disks open: it counts.
 */
import type { GuestPower } from '../../core/vm.ts';
import type { World } from '../world.ts';
import { at } from './checker.ts';

const holdsDisks = (power: GuestPower | undefined) => power === 'running' || power === 'crashed';

/** Begins to watch; call the answer for what was found so far. */
export function checkOneHome(world: World): () => string[] {
  const found: string[] = [];
  const before = world.onGuest;
  world.onGuest = (node, uuid, guest) => {
    before(node, uuid, guest);
    if (!holdsDisks(guest?.power)) return;
    for (const machine of world.machines.values())
      if (machine.name !== node && holdsDisks(machine.guests.get(uuid)?.power))
        found.push(at(world, `${uuid} runs on ${node} and on ${machine.name}`));
    for (const machine of world.replaced)
      if (holdsDisks(machine.guests.get(uuid)?.power) && holdsDisks(world.machine(node).guests.get(uuid)?.power))
        found.push(at(world, `${uuid} runs on ${node} and on the machine that was ${machine.name} before`));
  };
  return () => found;
}
