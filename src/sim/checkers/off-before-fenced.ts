/**
 * S4 as code: at the moment at which a record moves to `fenced`, the condemned life is over: the machine is off, or has
 * been off since the intent was written (a person may have switched it on again meanwhile: that is another life, found by
 * seed 1032). By the level `watchdog` the machine may be on, if nothing of the primary runs on it (S1c). Looks at the world's
 * own power, not at what any BMC said.
 */
import type { World } from '../world.ts';
import { readJson } from './checker.ts';

interface Written {
  readonly id: string;
  readonly state: string;
  readonly level: string | null;
  readonly incarnation: string | null;
}

/** Begins to watch; call the answer for what was found so far. */
export function checkOffBeforeFenced(world: World): () => string[] {
  const found: string[] = [];
  /** Fence id -> how often the machine had booted when the intent was first written. */
  const bootsAtIntent = new Map<string, number>();
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const target = /^\/fencing\/([^/]+)$/.exec(path)?.[1];
    if (target === undefined || !text.startsWith('{')) return;
    const written = readJson(text) as Written | null;
    if (written === null) return;
    const { id, state, level, incarnation } = written;
    const { boots, power, running } = world.machine(target);
    if (state === 'intent' && !bootsAtIntent.has(id)) bootsAtIntent.set(id, boots);
    // Other hardware has the name by now: what counts is the machine of the condemned life.
    const isReplaced = world.replaced.some(({ name }) => name === target);
    if (isReplaced && !goesOn(world, target, incarnation)) return;
    if (state !== 'fenced') return;
    if (!isReplaced && (power === 'off' || boots > (bootsAtIntent.get(id) ?? boots))) return;
    if (level === 'watchdog' && running.size === 0) return;
    // A person's word is about the life that they saw off; who switched it on since began another one.
    if (level === 'manual' && !goesOn(world, target, incarnation)) return;
    found.push(`${(world.time.nowMs / 1000).toFixed(3)}: ${target} is called fenced, but its condemned life goes on`);
  };
  return () => found;
}

/** Whether a machine that has, or had, this name is on since this life of it began. */
function goesOn(world: World, name: string, incarnation: string | null): boolean {
  const machines = [world.machine(name), ...world.replaced.filter((one) => one.name === name)];
  return machines.some(
    ({ power, hardware, boots }) => power === 'on' && incarnation?.startsWith(`boot-${hardware}-${boots}:`) === true,
  );
}
