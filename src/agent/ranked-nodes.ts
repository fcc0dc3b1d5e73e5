/** The registered nodes with their rank, and whether each is present as far as this observer knows. */
import type { RankedNode } from '../core/observers.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';

export function rankedNodes({ self, board }: Context, peers: Peers): RankedNode[] {
  const isPresent = (name: string) => {
    const verdict = board.peers.get(name)?.verdict;
    return name === self.name || (verdict !== 'dead' && verdict !== 'stopped');
  };
  return peers.all().map(({ name, role, priority }) => ({ name, role, priority, present: isPresent(name) }));
}
