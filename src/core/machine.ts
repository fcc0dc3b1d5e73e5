/**
 * State machines as complete tables: every state answers every event, with a move, with a reason why nothing happens,
 * or with a reason why it cannot happen. A missing cell does not compile.
 *
 * One table is the code, the history that nodectl prints, and the diagram in docs/states.md.
 */
export type Cell<State extends string, Action extends string> =
  | { readonly to: State; readonly actions: readonly Action[] }
  | { readonly ignored: string }
  | { readonly impossible: string };

export type Table<State extends string, Event extends string, Action extends string> = {
  readonly [S in State]: { readonly [E in Event]: Cell<State, Action> };
};

export type Step<State extends string, Action extends string> =
  | { readonly kind: 'move'; readonly to: State; readonly actions: readonly Action[] }
  | { readonly kind: 'ignored'; readonly because: string };

/** A table's "impossible" cell was reached: the program is wrong and must stop rather than guess. */
export class ImpossibleEvent extends Error {
  override readonly name = 'ImpossibleEvent';
}

/** Looks up what `event` does in `state`. Throws ImpossibleEvent where the table says that it cannot happen. */
export function step<State extends string, Event extends string, Action extends string>(
  table: Table<State, Event, Action>,
  state: State,
  event: Event,
): Step<State, Action> {
  const cell: Cell<State, Action> = table[state][event];
  if ('to' in cell) return { kind: 'move', to: cell.to, actions: cell.actions };
  if ('ignored' in cell) return { kind: 'ignored', because: cell.ignored };
  throw new ImpossibleEvent(`event "${event}" in state "${state}": ${cell.impossible}`);
}
