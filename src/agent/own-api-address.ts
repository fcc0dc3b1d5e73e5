/**
 * Whether the API address that this node has registered leads another node elsewhere (core/api-address.ts). Every node judges the
 * addresses of the others before it relies on them (failsafe); the node itself says so, for it is there that it has to be corrected.
 */
import { judgeApiAddress } from '../core/api-address.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';

/** By what is known already: it asks the store nothing. */
export function lookAtOwnApiAddress({ self, board, history }: Context, peers: Peers): void {
  const own = peers.get(self.name);
  if (own?.incarnation !== self.incarnation) return;
  const judged = judgeApiAddress(own, peers.all());
  const trouble =
    judged.verdict === 'own' ? null : `${judged.because}; nothing that is answered there counts for failsafe`;
  if (trouble !== null && trouble !== board.apiTrouble) history.happened('api-address', trouble, { node: self.name });
  if (trouble === null && board.apiTrouble !== null)
    history.happened('api-address', `${judged.because} again`, { node: self.name });
  board.apiTrouble = trouble;
}
