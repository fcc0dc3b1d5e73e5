/** A name that is no node: an error, unless the history still has events of it (a node that was removed). */
import type { HistoryEvent } from '../records/history.ts';
import { readCluster } from './cluster-view.ts';
import { findNode } from './commands/node.ts';
import type { Connected } from './connect.ts';
import { readEvents } from './read-events.ts';

export async function mustBeKnown(
  { store, config }: Connected,
  name: string,
  isAbout: (event: HistoryEvent) => boolean,
): Promise<void> {
  const { nodes } = await readCluster(store, config);
  if (nodes.some((node) => node.name === name)) return;
  const events = await readEvents(store, null, 0);
  if (!events.some(({ event }) => isAbout(event))) findNode(nodes, name);
}
