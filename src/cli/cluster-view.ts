/** The cluster as commands read it: a store that does not answer ends them. */
import type { Config } from '../config/load.ts';
import type { Store } from '../environment/store.ts';
import type { ClusterView } from '../view/cluster-view.ts';
import { viewCluster } from '../view/cluster-view.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

export type { ClusterView, NodeView } from '../view/cluster-view.ts';

export async function readCluster(store: Store, config: Config): Promise<ClusterView> {
  const read = await viewCluster(store, config, Date.now());
  if (read.ok) return read.view;
  throw new CommandError(exitCodes.unreachable, read.because);
}
