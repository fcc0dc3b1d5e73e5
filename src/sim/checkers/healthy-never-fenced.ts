/**
 * S3 as code: a node is powered off by a BMC only if, at that moment, it had not had a keepalive acknowledged for a good
 * part of the detection time, or had been condemned (an intent for this very life) while that was so, or had no power any
 * more in the life that was condemned. The checker looks at the world, not at what the product says.
 */
import type { World } from '../world.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkHealthyNeverFenced(world: World): () => string[] {
  const found: string[] = [];
  const lastBeatMs = new Map<string, number>();
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const beat = /^\/nodes\/([^/]+)\/keepalive$/.exec(path)?.[1];
    if (beat !== undefined) lastBeatMs.set(beat, world.time.nowMs);
    const target = /^\/fencing\/([^/]+)$/.exec(path)?.[1];
    if (target === undefined || !text.includes('"state":"intent"')) return;
    const record = JSON.parse(text) as {
      requestId: string | null;
      fencer: string;
      incarnation: string | null;
    };
    const { power, boots, name } = world.machine(target);
    const isOver = power === 'off' || record.incarnation?.startsWith(`boot-${name}-${boots}:`) === false;
    const silentMs = world.time.nowMs - (lastBeatMs.get(target) ?? -Infinity);
    const { detectionMs } = world.config(target).timing;
    // One beat may fall between the samples of the observer, and a beat may be a little late.
    const leastMs = detectionMs - world.config(target).keepalive.interval * 1.5;
    if (record.requestId === null && silentMs < leastMs && !isOver) {
      found.push(
        `${(world.time.nowMs / 1000).toFixed(3)}: ${record.fencer} condemned ${target} whose last keepalive is ${Math.round(silentMs)} ms old`,
      );
    }
  };
  return () => found;
}
