/**
 * A node that reads its own fence intent steps down: it observes and fences nobody any more. If that fence is cancelled, it
 * goes on with all counts forgotten. If it is recorded as fenced while it is alive, its life is over all the same: what
 * it held may run elsewhere by now, so this noded ends, and its next life starts clean.
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { parseRecord } from '../../records/record.ts';
import { Registration, SessionHolder } from '../../records/registration.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { moveOwnFence, readFence } from './fence-file.ts';

/** For how long nobody may have gone on with the own fence before the condemned node looks after itself. */
const abandonedFactor = 3;

/**
 * The fencer is gone for good and nobody else is there who could go on (two nodes, one died after its intent): for longer
 * than any order could still be on its way no coordinator has held the fence's lock, and none has a session.
 */
async function isLeftAlone(context: Context, record: FenceRecord): Promise<boolean> {
  const { env, board, config, self } = context;
  const nowMs = env.clock.monotonicMs();
  const locks = await env.store.list(tree.fenceLocks(self.name));
  const nodes = await env.store.list(tree.nodes);
  if ((!locks.ok && locks.code !== 'no-node') || !nodes.ok) return false;
  const isHeld = locks.ok && locks.names.length > 0;
  const others = nodes.names.filter((name) => name !== self.name);
  const isAnybodyThere = (await Promise.all(others.map((name) => couldGoOn(context, name)))).includes(true);
  if (isHeld || isAnybodyThere || board.aloneSince?.fenceId !== record.id)
    board.aloneSince = isHeld || isAnybodyThere ? null : { fenceId: record.id, atMs: nowMs };
  if (board.aloneSince === null) return false;
  return nowMs - board.aloneSince.atMs > abandonedFactor * config.fencing.levelDeadline;
}

/** A coordinator with a session, and no life that waits to join; what cannot be read counts as one. */
async function couldGoOn({ env }: Context, name: string): Promise<boolean> {
  const [session, read] = await Promise.all([env.store.read(tree.session(name)), env.store.read(tree.node(name))]);
  if (!session.ok && session.code === 'no-node') return false;
  const registration = read.ok ? parseRecord(Registration, read.text) : null;
  const holder = session.ok ? parseRecord(SessionHolder, session.text) : null;
  if (registration?.ok === true && holder?.ok === true && holder.record.incarnation !== registration.record.incarnation)
    return false;
  return registration?.ok !== true || registration.record.role === 'coordinator';
}

/** A life that waits to join until the fence of the one before has ended: with nobody there who could end it, it would wait for ever. */
export async function endIfLeftAlone(context: Context, own: { record: FenceRecord; version: number }): Promise<void> {
  if (await isLeftAlone(context, own.record)) await release(context, own);
}

/** By version: if anybody has moved the record in the meantime, the fence is theirs. */
async function release(context: Context, own: { record: FenceRecord; version: number }): Promise<void> {
  const { self, history } = context;
  const because = `${own.record.fencer} has not gone on with it, and no other coordinator is there who could: ${self.name} lives and goes on`;
  if ((await moveOwnFence(context, own, 'fencerGone', 'left alone', because)) === 'cancelled')
    history.happened('fence-cancelled', because, { node: self.name, fenceId: own.record.id });
}

/** Looks at the own fence record once; called with each beat. Returns why this life must end, or null. */
export async function lookAtOwnFence(context: Context): Promise<string | null> {
  const { self, board, history } = context;
  const own = await readFence(context, self.name);
  if (own === null) return null;
  const { record } = own;
  const mine = record.incarnation === self.incarnation;
  if (mine && isConfirmedOff(record.state) && record.state !== 'closed') {
    return `this node is recorded as fenced (by ${record.fencer}) while it is alive: what it held may run elsewhere`;
  }
  const condemned = mine && record.state === 'intent';
  if (condemned && board.steppedDown !== null && (await isLeftAlone(context, record))) await release(context, own);
  if (condemned && board.steppedDown === null) {
    board.steppedDown = `${record.fencer} has written the intent to fence this node: ${record.reason}`.slice(0, 300);
    history.happened('stepped-down', board.steppedDown, { node: self.name, fenceId: record.id });
  } else if (!condemned && board.steppedDown !== null) {
    board.steppedDown = null;
    board.pausedAtMs = context.env.clock.monotonicMs(); // forget all counts before judging anybody again
    history.happened('stepped-down', 'the fence of this node is no longer intended; it takes up its duties again', {
      node: self.name,
    });
  }
  return null;
}
