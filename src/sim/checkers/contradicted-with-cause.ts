/**
 * S11 as code, for one alarm: who says that the store contradicts itself is right. In a world where no server ever forgot a change, nobody
 * may; but in the moments after a restore, while the sessions of the copy end, what was read is soon untrue.
 */
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** So long after a restore, in ms. */
const restlessMs = 10_000;

/** Begins to watch; call the answer for what was found so far. */
export function checkContradictedWithCause(world: World): () => string[] {
  const found: string[] = [];
  const before = world.trace.onLine;
  world.trace.onLine = (line) => {
    before(line);
    const { servers, restoredAtMs } = world.ensemble;
    const isRestless = restoredAtMs !== null && world.time.nowMs - restoredAtMs < restlessMs;
    if (line.event.endsWith('store-contradicts') && !isRestless && !servers.some((server) => server.hasForgotten))
      found.push(at(world, `${line.node} without cause: ${line.because}`));
  };
  return () => found;
}
