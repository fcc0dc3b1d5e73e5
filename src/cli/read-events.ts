/** The history as commands read it: a store that does not answer ends them. */
import type { Store } from '../environment/store.ts';
import type { NamedEvent } from '../view/events.ts';
import { viewEvents } from '../view/events.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** Events after the one named `after`, oldest first; the newest `most` of them (0: all). */
export async function readEvents(store: Store, after: string, most: number): Promise<NamedEvent[]> {
  const read = await viewEvents(store, after, most);
  if (read.ok) return read.events;
  throw new CommandError(exitCodes.unreachable, read.because);
}
