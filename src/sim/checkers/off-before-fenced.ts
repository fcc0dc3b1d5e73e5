/** S4 as code: at the moment at which a record moves to `fenced`, that machine is off. Looks at the world's own power. */
import type { World } from '../world.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkOffBeforeFenced(world: World): () => string[] {
  const found: string[] = [];
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const target = /^\/fencing\/([^/]+)$/.exec(path)?.[1];
    if (target === undefined || !text.includes('"state":"fenced"')) return;
    if (world.machine(target).power === 'on')
      found.push(`${(world.time.nowMs / 1000).toFixed(3)}: ${target} is called fenced while it is on`);
  };
  return () => found;
}
