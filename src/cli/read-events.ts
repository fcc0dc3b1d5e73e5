/** The history as commands read it: a store that does not answer ends them. */
import type { Store } from '../environment/store.ts';
import type { NamedEvent } from '../view/events.ts';
import { viewEvents } from '../view/events.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** Events after `after` (null: from the beginning), oldest first; the newest `most` of them (0: all). */
export async function readEvents(store: Store, after: NamedEvent | null, most: number): Promise<NamedEvent[]> {
  const read = await viewEvents(store, after, most);
  if (read.ok) return read.events;
  throw new CommandError(exitCodes.unreachable, read.because);
}
