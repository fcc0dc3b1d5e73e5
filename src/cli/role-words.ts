/** A node's part in the primary role, in words; the same in every table. */
import type { NodeView } from './cluster-view.ts';

export type SaidRole = Pick<NodeView, 'coordinatorState' | 'lastCoordinatorState' | 'state'>;

/** "primary"; "? (was primary)": what it said last does not hold any more; "- (was primary)": it is recorded as off; "-": none. */
export function roleInWords(node: SaidRole): string {
  const { lastCoordinatorState: last } = node;
  return last === null ? shortRole(node) : `${shortRole(node)} (was ${last})`;
}

/** The same for a narrow column. */
export function shortRole({ coordinatorState, lastCoordinatorState, state }: SaidRole): string {
  if (lastCoordinatorState === null) return coordinatorState ?? '-';
  return state === 'fenced' ? '-' : '?';
}
