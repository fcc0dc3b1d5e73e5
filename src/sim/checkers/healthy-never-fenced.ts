/**
 * S3 as code: power off is sent only to a node that a fence is about, and a node is condemned only if, at that moment, it had not had a
 * keepalive acknowledged for a good part of the detection time, or had been condemned (an intent for this very life) while that was so, or
 * had no power any more in the life that was condemned, or a device that began to say off between the looks of everybody (docs/SAFETY.md,
 * what is not promised). A node whose last keepalive says `stop` is condemned by nobody. The checker looks at the world, not at what the
 * product says.
 */
import { tree } from '../../records/tree.ts';
import type { World } from '../world.ts';
import { jsonOf } from './json.ts';
import { readJson } from './checker.ts';

/** What counts here of a fence's record. */
interface Condemned {
  readonly id: string;
  readonly state: string;
  readonly requestId: string | null;
  readonly fencer: string;
  readonly incarnation: string | null;
  readonly reason: string;
  readonly target: string;
}

/** Condemned by early evidence of devices that say off wrongly, and that nobody had asked since they do before the node fell silent. */
function isUntold(world: World, { reason, target }: Condemned, lastBeatMs = 0): boolean {
  if (!/reads off, twice/.test(reason)) return false;
  const { firstAskedMs, mode, restartUntilMs } = world.bmc(target);
  const isWrong = mode === 'reads-off' || mode === 'lies-off' || restartUntilMs >= 0;
  return isWrong && (firstAskedMs === null || firstAskedMs > lastBeatMs);
}

/** Begins to watch; call the answer for what was found so far. */
export function checkHealthyNeverFenced(world: World): () => string[] {
  const found: string[] = [];
  const lastBeatMs = new Map<string, number>();
  /** Nodes whose last keepalive says `stop`, whatever a restored store shows of them. */
  const stopped = new Set<string>();
  /** Fences whose record said `intent` when it was written last. */
  const condemned = new Map<string, Condemned>();
  /** When the store was last seen to be restored. */
  let restoredAtMs: number | null = null;
  // What stands in the copy was judged when it was written: whoever goes on with it condemns nobody anew.
  world.ensemble.onBreak.add(() => {
    if (world.ensemble.restoredAtMs === restoredAtMs) return;
    restoredAtMs = world.ensemble.restoredAtMs;
    condemned.clear();
    for (const name of world.machines.keys()) {
      const read = world.ensemble.read(tree.fence(name));
      const record = read.ok ? (readJson(read.value.text) as Condemned | null) : null;
      if (record?.state === 'intent') condemned.set(name, record);
    }
  });
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const beat = /^\/nodes\/([^/]+)\/keepalive$/.exec(path)?.[1];
    if (beat !== undefined) {
      lastBeatMs.set(beat, world.time.nowMs);
      if (text.includes('"state":"stop"')) stopped.add(beat);
      else stopped.delete(beat);
    }
    const target = /^\/fencing\/([^/]+)$/.exec(path)?.[1];
    if (target === undefined) return;
    const record = readJson(text) as Condemned | null;
    const was = condemned.get(target);
    if (record?.state !== 'intent') condemned.delete(target);
    else condemned.set(target, record);
    // A step of an attempt that is under way condemns nobody anew.
    if (record?.state !== 'intent') return;
    if (was !== undefined && was.id === record.id && was.fencer === record.fencer) return;
    const { power, boots, hardware } = world.machine(target);
    const isOver = power === 'off' || record.incarnation?.startsWith(`boot-${hardware}-${boots}:`) === false;
    const { requestId, fencer } = record;
    if (requestId === null && stopped.has(target) && power === 'on')
      found.push(`${(world.time.nowMs / 1000).toFixed(3)}: ${fencer} condemned ${target}, which has stopped cleanly`);
    const silentMs = world.time.nowMs - (lastBeatMs.get(target) ?? -Infinity);
    const { detectionMs } = world.config(target).timing;
    // One beat may fall between the samples of the observer, and a beat may be a little late.
    const leastMs = detectionMs - world.config(target).keepalive.interval * 1.5;
    if (
      record.requestId === null &&
      silentMs < leastMs &&
      !isOver &&
      !isUntold(world, record, lastBeatMs.get(target))
    ) {
      found.push(
        `${(world.time.nowMs / 1000).toFixed(3)}: ${record.fencer} condemned ${target} whose last keepalive is ${Math.round(silentMs)} ms old`,
      );
    }
  };
  const beforeOrder = world.onOrder;
  world.onOrder = (by, target, power) => {
    beforeOrder(by, target, power);
    // As it stands now: a restore brings back what was not written since.
    const read = world.ensemble.read(tree.fence(target));
    const state = read.ok ? (jsonOf(read.value.text)?.['state'] ?? 'none') : 'none';
    if (power === 'off' && (state === 'none' || state === 'closed' || state === 'cancelled'))
      found.push(
        `${(world.time.nowMs / 1000).toFixed(3)}: ${by} sends power off to ${target}, which no fence is about`,
      );
  };
  return () => found;
}
