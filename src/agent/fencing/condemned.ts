/**
 * A node that reads its own fence intent steps down (5.4): it observes and fences nobody any more. If it is let go, it
 * goes on with all counts forgotten. If it is recorded as fenced while it is alive, its life is over all the same: what
 * it held may run elsewhere by now, so this noded ends, and its next life starts clean.
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import type { Context } from '../context.ts';
import { readFence } from './fence-file.ts';

/** Looks at the own fence record once; called with each beat. Returns why this life must end, or null. */
export async function lookAtOwnFence(context: Context): Promise<string | null> {
  const { self, board, history } = context;
  const own = await readFence(context, self.name);
  if (own === null) return null;
  const { record } = own;
  const mine = record.incarnation === self.incarnation;
  if (mine && isConfirmedOff(record.state) && record.state !== 'closed') {
    return `this node is recorded as fenced (by ${record.fencer}) while it is alive: what it held may run elsewhere`;
  }
  const condemned = mine && record.state === 'intent';
  if (condemned && board.steppedDown === null) {
    board.steppedDown = `${record.fencer} has written the intent to fence this node: ${record.reason}`.slice(0, 300);
    history.happened('stepped-down', board.steppedDown, { node: self.name, fenceId: record.id });
  } else if (!condemned && board.steppedDown !== null) {
    board.steppedDown = null;
    board.pausedAtMs = context.env.clock.monotonicMs(); // forget all counts before judging anybody again
    history.happened('stepped-down', 'the fence of this node is no longer intended; it takes up its duties again', {
      node: self.name,
    });
  }
  return null;
}
