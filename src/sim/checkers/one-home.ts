/**
 * S2 as code: a VM never runs on two machines. Looks at the machines, not at what the product or libvirt says; a paused copy
 * that waits for a migration to end does not run.
 */
import type { World } from '../world.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkOneHome(world: World): () => string[] {
  const found: string[] = [];
  const before = world.onGuest;
  world.onGuest = (node, uuid, guest) => {
    before(node, uuid, guest);
    if (guest?.power !== 'running') return;
    for (const machine of world.machines.values())
      if (machine.name !== node && machine.guests.get(uuid)?.power === 'running')
        found.push(`${(world.time.nowMs / 1000).toFixed(3)}: ${uuid} runs on ${node} and on ${machine.name}`);
  };
  return () => found;
}
