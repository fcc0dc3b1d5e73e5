/** S11 as code, for one alarm: who says that the store contradicts itself is right. In a world where no server ever forgot a change, nobody may. */
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkContradictedWithCause(world: World): () => string[] {
  const found: string[] = [];
  const before = world.trace.onLine;
  world.trace.onLine = (line) => {
    before(line);
    if (line.event.endsWith('store-contradicts') && !world.ensemble.servers.some((server) => server.hasForgotten))
      found.push(at(world, `${line.node} without cause: ${line.because}`));
  };
  return () => found;
}
