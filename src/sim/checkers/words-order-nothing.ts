/**
 * A person's word that a node is off orders nothing, as code (S3): no device is ordered to switch it off, or on, while the record of its
 * fence answers a confirmation. Found by a review: the taker of a word died between two writes, and others went on by commands with what
 * it had left, on a machine that stood open. A survivor without the store powers on by a rule of its own (core/quorum-recovery.ts), so an
 * order to switch on counts only of who was in contact a moment ago.
 */
import { tree } from '../../records/tree.ts';
import type { World } from '../world.ts';
import { at } from './checker.ts';
import { jsonOf } from './json.ts';

/** Begins to watch; call the answer for what was found so far. */
export function checkWordsOrderNothing(world: World): () => string[] {
  const found: string[] = [];
  /** The requests that were confirmations; the numbers are given again after a restore. */
  const words = new Set<string>();
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const request = /^\/requests\/([^/]+)$/.exec(path)?.[1];
    if (request === undefined) return;
    if (jsonOf(text)?.['kind'] === 'confirm') words.add(request);
    else words.delete(request);
  };
  const { onOrder } = world;
  world.onOrder = (by, target, power) => {
    onOrder(by, target, power);
    const read = world.ensemble.read(tree.fence(target));
    const request = read.ok ? jsonOf(read.value.text)?.['requestId'] : null;
    if (typeof request !== 'string' || !words.has(request)) return;
    const contactMs = world.time.nowMs - (world.lastAckSentAtMs.get(by) ?? -Infinity);
    if (power === 'off' || contactMs <= world.config(by).timing.contactMaxMs)
      found.push(at(world, `${by} orders ${target} ${power}, of which a person has said that it is off (${request})`));
  };
  return () => found;
}
