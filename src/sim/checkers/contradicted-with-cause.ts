/**
 * S11 as code, for two alarms. Who says that the store contradicts itself is right: in a world where no server ever forgot a change, nobody
 * may; but in the moments after a restore, while the sessions of the copy end, what was read is soon untrue. Who says that the store was
 * restored from an old copy is right: where nothing was taken back, nobody may.
 */
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** So long after a restore, in ms. */
const restlessMs = 10_000;

/** What takes back something that was written. */
const takesBack = /^(store (restore|wiped)|zookeeper \S+ (forgets|alone|stale)|vandalise|remove) ?/;

/** Begins to watch; call the answer for what was found so far. */
export function checkContradictedWithCause(world: World): () => string[] {
  const found: string[] = [];
  let wasTakenBack = false;
  const before = world.trace.onLine;
  world.trace.onLine = (line) => {
    before(line);
    if (line.node === 'story') wasTakenBack ||= takesBack.test(line.event);
    if (line.event.endsWith('store-set-back') && !wasTakenBack)
      found.push(at(world, `${line.node} without cause: ${line.because}`));
    const { servers, restoredAtMs } = world.ensemble;
    const isRestless = restoredAtMs !== null && world.time.nowMs - restoredAtMs < restlessMs;
    if (line.event.endsWith('store-contradicts') && !isRestless && !servers.some((server) => server.hasForgotten))
      found.push(at(world, `${line.node} without cause: ${line.because}`));
  };
  return () => found;
}
