/**
 * S6 as code: who orders a machine off knows the present. At the moment of the order its process has had a write acknowledged
 * that was sent not longer ago than its own configuration allows, by the time of the world: whatever it slept, stood still or
 * waited in between counts. (A pause shorter than that is no different from a slow answer: the knowledge is no older.)
 */
import type { World } from '../world.ts';
import { at } from './checker.ts';

/** The agent compares with its own clock, which may be a little fast or slow, and the acknowledgement was under way. */
const slackMs = 50;

/** Begins to watch; call the answer for what was found so far. */
export function checkActsInThePresent(world: World): () => string[] {
  const found: string[] = [];
  const before = world.onOrder;
  world.onOrder = (by, target, power) => {
    before(by, target, power);
    if (power === 'on') return;
    const sentAtMs = world.lastAckSentAtMs.get(by) ?? -Infinity;
    const { contactMaxMs } = world.config(by).timing;
    if (world.time.nowMs - sentAtMs > contactMaxMs + slackMs)
      found.push(
        at(
          world,
          `${by} orders ${target} off ${Math.round(world.time.nowMs - sentAtMs)} ms after its last proven contact`,
        ),
      );
  };
  return () => found;
}
