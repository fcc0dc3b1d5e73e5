/**
 * Who answers a question that one noded asks another (S1): an address may lead elsewhere, so a question names the node that it is
 * for, and an answer names the node that gives it, its incarnation, and the nonce of the question. TLS with the cluster's key makes
 * sure that both are of this cluster; these two judgements make sure of which node.
 */
import type { Decision } from './decision.ts';
import { decide } from './decision.ts';

export interface AddresseeFacts {
  readonly self: string;
  /** The node that the question is for. */
  readonly to: string;
  /** The node that asks; null: an operator. */
  readonly from: string | null;
}

/** Whether this node answers: never a question for another node, and never its own. */
export function judgeAddressee({ self, to, from }: AddresseeFacts): Decision<'answer' | 'refuse'> {
  if (to !== self) return decide('refuse', `${self} is asked at the API address of ${to}, and answers for itself only`);
  if (from === self) return decide('refuse', `${self} is asked by itself: the API address leads back to it`);
  return decide('answer', `the question is for ${self}`);
}

export interface AnswererFacts {
  /** The node that asked. */
  readonly self: string;
  readonly asked: {
    readonly node: string;
    /** As the store told it last; null: any incarnation will do. */
    readonly incarnation: string | null;
    readonly nonce: string;
  };
  readonly answered: { readonly node: string; readonly incarnation: string; readonly nonce: string };
}

/** Whether an answer is of the node that was asked, in the incarnation that is known, and to this very question. */
export function judgeAnswerer({ self, asked, answered }: AnswererFacts): Decision<'theirs' | 'not-theirs'> {
  const no = (because: string) => decide('not-theirs', because);
  if (answered.node === self) return no(`the API address of ${asked.node} leads back to ${self} itself`);
  if (answered.node !== asked.node) return no(`${answered.node} answers at the API address of ${asked.node}`);
  if (answered.nonce !== asked.nonce) return no(`the answer of ${asked.node} is to another question (nonce differs)`);
  if (asked.incarnation !== null && answered.incarnation !== asked.incarnation)
    return no(`${asked.node} answers in incarnation ${answered.incarnation}; known is ${asked.incarnation}`);
  return decide('theirs', `${asked.node} answers`);
}
