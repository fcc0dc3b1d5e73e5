/**
 * S1 as code: a resource of the primary never runs on two machines; an epoch has one holder, epochs never fall, and nobody
 * becomes holder while resources still run on another machine. Looks at the machines, not at what the product says.
 */
import type { World } from '../world.ts';
import { readJson } from './checker.ts';

interface Written {
  readonly state: string;
  readonly holder: string | null;
  readonly incarnation: string | null;
  readonly epoch: number;
}

/** Begins to watch; call the answer for what was found so far. */
export function checkOnePrimary(world: World): () => string[] {
  const found: string[] = [];
  const say = (text: string) => found.push(`${(world.time.nowMs / 1000).toFixed(3)}: ${text}`);
  const holders = new Map<number, string>();
  let highest = 0;
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    if (path !== '/primary' || !text.startsWith('{"schema":1')) return;
    const written = readJson(text) as Written | null;
    if (written === null) return;
    const { state, holder, incarnation, epoch } = written;
    // In a restored store the record of an old epoch may be freed; whoever takes over next is held to the highest one.
    const isOld = world.ensemble.restoredAtMs !== null && state === 'none' && epoch < highest;
    if (epoch < highest && !isOld) say(`the epoch fell from ${highest} to ${epoch}`);
    highest = Math.max(highest, epoch);
    if (state === 'none' || holder === null) {
      for (const machine of isOld ? [] : [...world.machines.values(), ...world.replaced])
        if (machine.running.size > 0)
          say(`the role was freed while ${[...machine.running].join(', ')} ran on ${machine.name}`);
      return;
    }
    const life = `${holder} ${incarnation ?? '?'}`;
    const known = holders.get(epoch);
    if (known !== undefined && known !== life) say(`epoch ${epoch} belongs to ${known} and to ${life}`);
    holders.set(epoch, life);
    if (state !== 'takeover') return;
    for (const machine of world.machines.values())
      if (machine.name !== holder && machine.running.size > 0)
        say(`${holder} may take over (epoch ${epoch}) while ${[...machine.running].join(', ')} ran on ${machine.name}`);
  };
  const onResource = world.onResource;
  world.onResource = (node, resource, running, epoch) => {
    onResource(node, resource, running, epoch);
    if (!running) return;
    for (const machine of world.machines.values())
      if (machine.name !== node && machine.running.has(resource))
        say(`${resource} runs on ${node} and on ${machine.name}`);
    for (const machine of world.replaced)
      if (machine.running.has(resource) && world.machine(node).running.has(resource))
        say(`${resource} runs on ${node} and on the machine that was ${machine.name} before`);
  };
  return () => found;
}
