/**
 * Whether a fence is the end of the guests of a node: its power was read off, or a person has said so. A watchdog's bound never speaks
 * for guests (decision 0007).
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import type { FenceRecord } from '../../records/fence.ts';
import type { VmMove } from '../../records/vm.ts';
import type { Context } from '../context.ts';

/**
 * Of every guest that was there before: the node has not come back since. (A record that is closed was of a life before the one of now.)
 * One of a restored store counts if it is about the newest life.
 */
export function endsAllGuests({ board }: Context, fence: FenceRecord): boolean {
  if (fence.state === 'closed' || !endsGuests(fence, fence.incarnation)) return false;
  return board.setBackAtMs === null || board.livesBefore.isNewest(fence.target, fence.incarnation);
}

/** Of every guest of this life. */
function endsGuests({ state, level, incarnation }: FenceRecord, life: string | null): boolean {
  return isConfirmedOff(state) && level !== 'watchdog' && incarnation === life;
}

/**
 * Of the guest that a move brought there. A fence that is none of those that stood when the target got ready switched the machine off
 * since, whichever of its lives the record names: its noded may have been started anew in the middle of the move. The record of a
 * restored store may be older than the move; it counts if it is about the newest life of that node.
 */
export function endsMovedGuest(
  { board }: Context,
  fence: FenceRecord,
  { targetIncarnation, targetFence }: Pick<VmMove, 'targetIncarnation' | 'targetFence'>,
): boolean {
  if (endsGuests(fence, targetIncarnation)) return true;
  if (targetFence === null || fence.id === targetFence || !endsGuests(fence, fence.incarnation)) return false;
  return board.setBackAtMs === null || board.livesBefore.isNewest(fence.target, fence.incarnation);
}
