/** A question to one named node, and an answer only if it is of that node (core/answerer.ts): whatever its API address leads to. */
import { judgeAnswerer } from '../core/answerer.ts';
import type { ApiAnswer } from '../records/api.ts';
import type { Registration } from '../records/registration.ts';
import type { Context } from './context.ts';
import { tellsOfRestore } from './recent-restore.ts';

export type Named<Kind extends 'agree' | 'quorum' | 'servers'> =
  | { readonly ok: true; readonly answer: Extract<ApiAnswer, { kind: Kind }> }
  | { readonly ok: false; readonly because: string };

type Peer = Pick<Registration, 'name' | 'apiAddress'>;

/** Failsafe: `incarnation` is the one that the store told last. */
export async function askToAgree(
  context: Context,
  peer: Peer,
  { incarnation, epoch }: { readonly incarnation: string; readonly epoch: number },
  withinMs: number,
): Promise<Named<'agree'>> {
  const { env, self } = context;
  const { name, apiAddress } = peer;
  if (apiAddress === null) return noApi(name);
  const nonce = env.random.id();
  const own = { from: self.name, incarnation: self.incarnation };
  const question = { kind: 'agree', to: name, ...own, epoch, nonce } as const;
  const asked = await env.peerApi.ask<'agree'>(apiAddress, question, withinMs);
  if (!asked.ok) return { ok: false, because: `${name}: ${asked.code}: ${asked.because}` };
  return ofNode(self.name, { node: name, incarnation, nonce }, asked.answer);
}

/** Whether a node reaches the store. Any incarnation will do: it may have been started after the store went away. */
export async function askAboutStore(context: Context, peer: Peer, withinMs: number): Promise<Named<'quorum'>> {
  const { env, self, board } = context;
  const { name, apiAddress } = peer;
  if (apiAddress === null) return noApi(name);
  const nonce = env.random.id();
  const known = { knowsOfRestore: tellsOfRestore(context), restores: board.restores };
  const question = { kind: 'quorum', to: name, from: self.name, nonce, ...known } as const;
  const asked = await env.peerApi.ask<'quorum'>(apiAddress, question, withinMs);
  if (!asked.ok) return { ok: false, because: `${name}: ${asked.code}: ${asked.because}` };
  const named = ofNode(self.name, { node: name, incarnation: null, nonce }, asked.answer);
  return named.ok && named.answer.refusal !== null ? { ok: false, because: named.answer.refusal } : named;
}

/** How a node sees the ZooKeeper servers. Null: it cannot be reached; one that answers anything else is no agreement. */
export async function askAboutServers(
  context: Context,
  { name, apiAddress }: Peer,
  withinMs: number,
): Promise<Named<'servers'> | null> {
  const { env, self } = context;
  if (apiAddress === null) return null;
  const nonce = env.random.id();
  const question = { kind: 'servers', to: name, from: self.name, nonce } as const;
  const asked = await env.peerApi.ask<'servers'>(apiAddress, question, withinMs);
  if (!asked.ok) return asked.code === 'failed' ? { ok: false, because: `${name}: ${asked.because}` } : null;
  const named = ofNode(self.name, { node: name, incarnation: null, nonce }, asked.answer);
  return named.ok && named.answer.refusal !== null ? { ok: false, because: named.answer.refusal } : named;
}

const noApi = (name: string) => ({ ok: false, because: `${name} has registered no API address` }) as const;

function ofNode<Answer extends { readonly node: string; readonly incarnation: string; readonly nonce: string }>(
  self: string,
  asked: { readonly node: string; readonly incarnation: string | null; readonly nonce: string },
  answer: Answer,
): { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly because: string } {
  const judged = judgeAnswerer({ self, asked, answered: answer });
  return judged.verdict === 'theirs' ? { ok: true, answer } : { ok: false, because: judged.because };
}
