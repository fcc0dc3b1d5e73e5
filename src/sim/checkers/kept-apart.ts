/** VMs of one anti-affinity group never run on one machine. Looks at the machines. */
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmRecord } from '../../records/vm.ts';
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkKeptApart(world: World): () => string[] {
  const found: string[] = [];
  const groupsOf = (uuid: string): readonly string[] => {
    const read = world.ensemble.read(tree.vm(uuid));
    const parsed = read.ok ? parseRecord(VmRecord, read.value.text) : null;
    return parsed?.ok === true ? parsed.record.antiAffinity : [];
  };
  const before = world.onGuest;
  world.onGuest = (node, uuid, guest) => {
    before(node, uuid, guest);
    if (guest?.power !== 'running') return;
    const groups = groupsOf(uuid);
    for (const [other, beside] of world.machine(node).guests)
      if (other !== uuid && beside.power === 'running' && groupsOf(other).some((group) => groups.includes(group)))
        found.push(at(world, `${uuid} and ${other} are to be kept apart and run on ${node}`));
  };
  return () => found;
}
