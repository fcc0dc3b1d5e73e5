/**
 * Records of a verifier about nodes that others verify now, because it observes them no more. They go when enough of those others
 * have written theirs: not later, or an old verification would count for ever, and not before, or the node would look as if
 * it could not be fenced only because its verifiers have changed.
 */
import { verifiedBy } from '../core/observers.ts';
import { fencersNeeded } from '../core/verification.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';
import { rankedNodes } from './ranked-nodes.ts';

export interface LeftToOthers {
  /** Nodes whose records are gone. */
  readonly gone: readonly string[];
  /** False: some still stand, because the others have not written theirs, or the store did not answer. */
  readonly isDone: boolean;
}

/** `own`: the nodes that this node verifies. */
export async function leaveToOthers(context: Context, peers: Peers, own: ReadonlySet<string>): Promise<LeftToOthers> {
  const { env, self } = context;
  const listed = await env.store.list(tree.verification(self.name));
  if (!listed.ok) return { gone: [], isDone: listed.code === 'no-node' };
  const nodes = rankedNodes(context, peers);
  const present = nodes.filter((node) => node.role === 'coordinator' && node.present && node.name !== self.name);
  const verifiers = present.map(({ name }) => ({ name, verifies: verifiedBy(name, nodes) }));
  const theirs = listed.names.filter((name) => !own.has(name) && peers.get(name) !== null);
  const gone: string[] = [];
  for (const name of theirs) {
    const others = verifiers.filter((one) => one.name !== name && one.verifies.has(name)).map((one) => one.name);
    if ((await isVerifiedBy(context, name, others)) && (await removeOwn(context, name))) gone.push(name);
  }
  return { gone, isDone: gone.length === theirs.length };
}

/** Whether enough of them have written a record of the node. */
async function isVerifiedBy({ env }: Context, name: string, verifiers: readonly string[]): Promise<boolean> {
  const read = await Promise.all(verifiers.map((by) => env.store.read(tree.verified(by, name))));
  return read.filter(({ ok }) => ok).length >= fencersNeeded(verifiers.length);
}

async function removeOwn({ env, self }: Context, name: string): Promise<boolean> {
  const path = tree.verified(self.name, name);
  const read = await env.store.read(path);
  return read.ok ? (await env.store.remove(path, read.version)).ok : read.code === 'no-node';
}
