/**
 * S3 of a store that was restored from an old copy, as code: whoever publishes keepalives in the restored store is not ordered off for what
 * stood in the copy, be it a fence that was under way then or a request of an operator who has gone. An intent that was written since then
 * is judged by the checker of S3 itself; a request must have been put since then. What was rightly gone on with while the node was silent, and
 * was ordered then, is an attempt like any other: there is no way back within it (F2), also when the node is heard again.
 */
import type { World } from '../world.ts';
import { tree } from '../../records/tree.ts';
import { at, readJson } from './checker.ts';
import { jsonOf } from './json.ts';

interface Intent {
  readonly atMs: number;
  readonly requestId: string | null;
}

/** Begins to watch; call the answer for what was found so far. */
export function checkRestoredStoreFencesNobody(world: World): () => string[] {
  const found: string[] = [];
  const lastBeatMs = new Map<string, number>();
  const intents = new Map<string, Intent>();
  /** When each request was put; the numbers are given again after a restore. */
  const putMs = new Map<string, number>();
  /** The attempts (fence, round) of which an order was sent since the restore while the node was silent. */
  const begun = new Map<string, string>();
  const { onOrder } = world;
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const beat = /^\/nodes\/([^/]+)\/keepalive$/.exec(path)?.[1];
    if (beat !== undefined) lastBeatMs.set(beat, world.time.nowMs);
    const request = /^\/requests\/([^/]+)$/.exec(path)?.[1];
    if (request !== undefined && !text.includes('"refusal":{')) putMs.set(request, world.time.nowMs);
    const target = /^\/fencing\/([^/]+)$/.exec(path)?.[1];
    const record = target === undefined ? null : (readJson(text) as { state: string; requestId: string | null } | null);
    if (target !== undefined && record?.state === 'intent')
      intents.set(target, { atMs: world.time.nowMs, requestId: record.requestId });
  };
  world.onOrder = (by, target, power) => {
    onOrder(by, target, power);
    const { restoredAtMs } = world.ensemble;
    if (power === 'on' || restoredAtMs === null) return;
    const beatMs = lastBeatMs.get(target) ?? -Infinity;
    const { detectionMs } = world.config(target).timing;
    const isWell = beatMs > restoredAtMs && world.time.nowMs - beatMs < detectionMs / 2;
    const read = world.ensemble.read(tree.fence(target));
    const record = read.ok ? jsonOf(read.value.text) : null;
    const attempt = `${restoredAtMs} ${String(record?.['id'])} ${String(record?.['rounds'])} ${JSON.stringify(record?.['tried'])}`;
    if (!isWell) begun.set(target, attempt);
    else if (begun.get(target) === attempt) return;
    const intent = intents.get(target);
    const isNew = intent !== undefined && intent.atMs > restoredAtMs;
    // Or its nodectl is still there, and waits for it.
    const waits = intent?.requestId != null && world.ensemble.read(`/requests/${intent.requestId}`).ok;
    const isAskedNow = intent?.requestId == null || waits || (putMs.get(intent.requestId) ?? -Infinity) > restoredAtMs;
    if (isNew && isAskedNow)
      begun.set(target, attempt); // its operator may leave before the order is repeated
    else if (isWell)
      found.push(at(world, `${by} orders ${target} off, which is well, for what stood in an old copy of the store`));
  };
  return () => found;
}
