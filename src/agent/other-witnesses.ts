/**
 * A noded whose keepalive is not acknowledged yet has no witness of its own (witnessed-store.ts): a ZooKeeper that was just restored from
 * an old copy looks to it like any other, and what the others did after the copy is not in it. It would give an epoch a second time (S1),
 * or start a guest that runs elsewhere (S2). So before it contends for the role or touches a VM it asks every node, over the API, for its
 * witness: the version of that node's own last acknowledged keepalive. Neither a node nor a record that does not answer is waited for
 * without a bound.
 */
import type { Life } from '../records/api.ts';
import type { Keepalive } from '../records/keepalive.ts';
import type { Registration } from '../records/registration.ts';
import { tree } from '../records/tree.ts';
import { askAboutStore } from './ask-by-name.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';
import { whySetBack } from './witnessed-store.ts';

/** A node that lives answers within milliseconds. */
const answerWithinMs = 1000;
/** A keepalive that the store does not return for so long, over one connection, says nothing. */
const readableWithinMs = 10_000;
/** Between two tries to read the store. */
const againMs = 200;

/** What another node has seen of the role. */
export type SeenEpoch = Pick<Keepalive, 'epochSeen' | 'epochHolder'>;

/**
 * Why the store was restored from an old copy, as another node knows; null: nobody who answers says so, or the duties are over. `onEpoch`
 * is told what each has seen of the role. The lives that they have seen are remembered if the store was restored. `recalled`: the nodes that
 * this machine has kept on its disk.
 */
export async function askWitnesses(
  context: Context,
  peers: Pick<Peers, 'all' | 'refresh'>,
  recalled: Promise<readonly Registration[]>,
  onEpoch: (seen: SeenEpoch) => void,
): Promise<string | null> {
  const { env, self, duties, board } = context;
  // An old copy may lack nodes that are remembered here.
  const remembered = peers.all();
  while ((await peers.refresh()) === null) {
    if (duties.aborted) return null;
    await env.clock.sleep(againMs, duties);
  }
  const all = new Map([...(await recalled), ...remembered, ...peers.all()].map((peer) => [peer.name, peer] as const));
  all.delete(self.name);
  const lives: Life[] = [];
  const holders: Life[] = [];
  const onSeen = (seen: SeenEpoch, theirs: readonly Life[]) => {
    onEpoch(seen);
    lives.push(...theirs);
    if (seen.epochHolder !== null) holders.push({ ...seen.epochHolder, stoppedAt: null });
  };
  const told = await Promise.all([...all.values()].map((peer) => askOne(context, peer, onSeen)));
  const because = told.find((one) => one !== null) ?? null;
  board.livesBefore.addStops(lives);
  if (because === null && context.board.setBackAtMs === null) return null;
  const isSeen = (name: string) => lives.some((life) => life.name === name);
  // Workers watch nobody, but know who held the role last.
  board.livesBefore.add(
    [...lives, ...holders.filter(({ name }) => !isSeen(name))].filter(({ name }) => name !== self.name),
  );
  return because;
}

async function askOne(
  context: Context,
  peer: Registration,
  onSeen: (seen: SeenEpoch, lives: readonly Life[]) => void,
): Promise<string | null> {
  const { env, duties } = context;
  const asked = await askAboutStore(context, peer, answerWithinMs);
  if (!asked.ok) return null;
  const {
    witness,
    witnessSequence: sequence,
    waitsAfterRestore,
    epochSeen,
    epochHolder,
    lives,
    nodesBefore,
    incarnation,
  } = asked.answer;
  context.board.nodesBefore.add(nodesBefore);
  onSeen({ epochSeen, epochHolder }, [...lives, { name: peer.name, incarnation, stoppedAt: null }]);
  // What was done after the copy may not stand in the store again yet.
  if (waitsAfterRestore) return `${peer.name} has seen that ZooKeeper was restored from an old copy`;
  if (witness === null) return null;
  const endMs = env.clock.monotonicMs() + readableWithinMs;
  while (!duties.aborted && env.clock.monotonicMs() < endMs) {
    const because = await whySetBack(
      env.store,
      tree.keepalive(peer.name),
      { version: witness, incarnation, sequence },
      peer.name,
    );
    if (because !== 'unknown') return because;
    await env.clock.sleep(againMs, duties);
  }
  return null;
}
