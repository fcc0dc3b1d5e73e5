/**
 * A noded whose keepalive is not acknowledged yet has no witness of its own (witnessed-store.ts): a ZooKeeper that was just restored from
 * an old copy looks to it like any other, and what the others did after the copy is not in it. It would give an epoch a second time (S1),
 * or start a guest that runs elsewhere (S2). So before it contends for the role or touches a VM it asks every node, over the API, for its
 * witness: the version of that node's own last acknowledged keepalive. A noded that was cut off or stood still asks too, for its own witness
 * says nothing of a copy that was made meanwhile. A node that does not answer may be starting anew, so it is asked again for as long as that
 * lasts; neither it nor a record that cannot be read is waited for without a bound.
 */
import type { ApiAnswer, Life } from '../records/api.ts';
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

export interface Asking {
  /** The nodes that this machine has kept on its disk. */
  readonly recalled: Promise<readonly Registration[]>;
  /** A node that does not answer is asked again for so long. */
  readonly patienceMs: number;
  /** How long this noded has been without the store; null: it has just started. A restore that was seen before that is known here. */
  readonly awayMs: number | null;
  /** The witnesses by which this noded has found out before that the store was restored. */
  readonly settled: Set<string>;
  /** Told what each has seen of the role. */
  readonly onEpoch: (seen: SeenEpoch) => void;
  /** Told at once why the store was restored from an old copy, as another node knows, and of how many restores that one knows. */
  readonly onRestored: (because: string, restores: number) => void;
}

type Answer = Extract<ApiAnswer, { kind: 'quorum' }>;

/** What the others know of a restore. The lives that they have seen, and the nodes, are remembered if there was one. */
export async function askWitnesses(
  context: Context,
  peers: Pick<Peers, 'all' | 'refresh'>,
  asking: Asking,
): Promise<void> {
  const { env, self, duties, board } = context;
  // An old copy may lack nodes that are remembered here.
  const remembered = peers.all();
  while ((await peers.refresh()) === null) {
    if (duties.aborted) return;
    await env.clock.sleep(againMs, duties);
  }
  const recalled = await asking.recalled;
  const all = new Map([...recalled, ...remembered, ...peers.all()].map((peer) => [peer.name, peer] as const));
  all.delete(self.name);
  const answers: Answer[] = [];
  const startMs = env.clock.monotonicMs();
  const hear = async (peer: Registration) => {
    const answer = await askOne(context, peer, asking.patienceMs);
    if (answer === null) return;
    answers.push(answer);
    board.livesBefore.addStops(answer.lives);
    asking.onEpoch(answer);
    const because = await whyRestored(context, peer, answer, {
      ...asking,
      awayMs: asking.awayMs === null ? null : asking.awayMs + env.clock.monotonicMs() - startMs,
    });
    if (because !== null) asking.onRestored(because, answer.restores);
    if (board.setBackAtMs !== null) for (const heard of answers) remember(context, heard);
  };
  await Promise.all([...all.values()].map(hear));
  if (board.setBackAtMs === null) return;
  const isSeen = (name: string) =>
    answers.some(({ node, lives }) => node === name || lives.some((life) => life.name === name));
  // Workers watch nobody, but know who held the role last.
  for (const { epochHolder } of answers)
    if (epochHolder !== null && epochHolder.name !== self.name && !isSeen(epochHolder.name))
      board.livesBefore.add([{ ...epochHolder, stoppedAt: null }]);
}

function remember({ board, self }: Context, { node, incarnation, lives, nodesBefore }: Answer): void {
  const all: Life[] = [...lives, { name: node, incarnation, stoppedAt: null }];
  board.nodesBefore.add(nodesBefore);
  board.livesBefore.add(all.filter(({ name }) => name !== self.name));
}

/** Null: it does not answer, or is confirmed off meanwhile. */
async function askOne(context: Context, peer: Registration, patienceMs: number): Promise<Answer | null> {
  const { env, duties, board } = context;
  if (peer.apiAddress === null) return null;
  const endMs = env.clock.monotonicMs() + patienceMs;
  const wasOff = board.confirmedOff.has(peer.name);
  for (;;) {
    const asked = await askAboutStore(context, peer, answerWithinMs);
    const isOff = !wasOff && board.confirmedOff.has(peer.name);
    const isLate = duties.aborted || isOff || env.clock.monotonicMs() >= endMs;
    if (asked.ok && (isLate || !asked.answer.isRecalling)) return asked.answer;
    if (isLate) return null;
    await env.clock.sleep(againMs, duties);
  }
}

async function whyRestored(
  context: Context,
  peer: Registration,
  answer: Answer,
  { awayMs, settled }: Pick<Asking, 'awayMs' | 'settled'>,
): Promise<string | null> {
  const { env, duties } = context;
  const { witness, witnessSequence: sequence, waitsAfterRestore, restoreAgeMs, incarnation } = answer;
  const isNews = awayMs === null || restoreAgeMs === null || restoreAgeMs <= awayMs + answerWithinMs;
  // What was done after the copy may not stand in the store again yet.
  if (waitsAfterRestore && isNews) return `${peer.name} has seen that ZooKeeper was restored from an old copy`;
  const mark = `${peer.name} ${incarnation} ${witness}`;
  if (witness === null || (awayMs !== null && settled.has(mark))) return null;
  const endMs = env.clock.monotonicMs() + readableWithinMs;
  while (!duties.aborted && env.clock.monotonicMs() < endMs) {
    const because = await whySetBack(
      env.store,
      tree.keepalive(peer.name),
      { version: witness, incarnation, sequence },
      peer.name,
    );
    if (because !== null && because !== 'unknown') settled.add(mark);
    if (because !== 'unknown') return because;
    await env.clock.sleep(againMs, duties);
  }
  return null;
}
