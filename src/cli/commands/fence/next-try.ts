/** What comes after a failed attempt of a fence: who tries it again, when, by which level, and how to stop it. */
import { inWords } from '../../../core/decision.ts';
import type { Upcoming } from '../../../core/fencers.ts';
import { upcoming } from '../../../core/fencers.ts';
import type { Config } from '../../../config/load.ts';
import type { FenceRecord } from '../../../records/fence.ts';
import type { ClusterView } from '../../cluster-view.ts';
import { planOf } from './outlook.ts';
import { stopHint } from './stop-hint.ts';

/** By the records as they are now; null: no coordinator is there that could try it. */
export function nextTry(view: ClusterView, config: Config, fence: FenceRecord): Upcoming | null {
  const node = view.nodes.find(({ name }) => name === fence.target);
  if (node === undefined) return null;
  return upcoming({
    ...planOf(view, node, fence.deviceIsRight !== null),
    tried: fence.tried,
    rounds: fence.rounds,
    backoffMs: config.fencing.retryBackoff,
    backoffMaxMs: config.fencing.retryBackoffMax,
  });
}

/** "It is tried again in about 25 s: level ipmi, by node1. To stop it: ..." */
export function nextInWords(view: ClusterView, config: Config, fence: FenceRecord, nowWallMs: number): string {
  const { target } = fence;
  const node = view.nodes.find(({ name }) => name === target);
  const held = Object.entries(node?.views ?? {}).find(([, seen]) => seen.held !== null);
  const blocked = held === undefined ? '' : ` Blocked now, says ${held[0]}: ${held[1].held ?? ''}.`;
  return `${whenAndWho(nextTry(view, config, fence), fence, nowWallMs)}${blocked} ${stopHint(view, config, fence)}`;
}

function whenAndWho(next: Upcoming | null, fence: FenceRecord, nowWallMs: number): string {
  const { target } = fence;
  if (next === null) return 'It is tried again as soon as another coordinator runs.';
  const sinceMs = Math.max(0, nowWallMs - (fence.steps.at(-1)?.wallMs ?? nowWallMs));
  const leftMs = Math.max(0, next.waitMs - sinceMs);
  const when = leftMs < 1000 ? 'at once' : `in about ${inWords(Math.round(leftMs / 1000) * 1000)}`;
  if (next.level === 'manual')
    return `No level can be used now (why: nodectl fence-check ${target}). ${next.by} looks again ${when}.`;
  return `It is tried again ${when}: level ${next.level}, by ${next.by}.`;
}
