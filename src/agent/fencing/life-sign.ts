/** A node's last sign of life as the store shows it now: what a verdict is checked against before the shot. */
import type { LifeSign } from '../../core/levels.ts';
import type { DaemonState } from '../../core/node.ts';
import { isSameMachine } from '../../core/same-machine.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { SessionHolder } from '../../records/registration.ts';
import type { Registration } from '../../records/registration.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { FenceFile } from './fence-file.ts';

/** Who lives publishes within so many beats. */
export const beatsWatched = 1.5;

/** What a keepalive says, with the version that a transaction can check. */
export interface LastSign {
  readonly incarnation: string | null;
  readonly sequence: number | null;
  readonly state: DaemonState | 'unknown';
  readonly version: number | null;
  readonly intervalMs: number;
  /** Whom it asks before it goes on without the store (records/keepalive.ts); undefined: it does not say. */
  readonly failsafeAsks: readonly string[] | null | undefined;
  /** It stopped cleanly after the copy was made from which the store was restored: the store shows an older keepalive. */
  readonly hasStoppedSince: boolean;
}

export function isSameSign(seen: LifeSign, now: LifeSign): boolean {
  return seen.incarnation === now.incarnation && seen.sequence === now.sequence;
}

/**
 * It said `stop`, and power read off after an order of this fence: no verdict will come of its silence, so its fence is neither held nor
 * cancelled for that. (Of any other silence a verdict comes anew, with all its saving throws: the reading itself is not believed.)
 */
export function stoppedAndOrderedOff({ signAtOff }: Pick<FenceRecord, 'signAtOff'>, sign: LastSign): boolean {
  return sign.state === 'stop' && signAtOff !== undefined && signAtOff !== null && isSameSign(signAtOff, sign);
}

/** Reads a node's last sign of life. Null: the store did not answer; garbage: a sign that says nothing. */
export async function readSign(context: Context, target: string): Promise<LastSign | null> {
  const nothing = {
    incarnation: null,
    sequence: null,
    state: 'unknown' as const,
    intervalMs: context.config.keepalive.interval,
    failsafeAsks: undefined,
    hasStoppedSince: false,
  };
  const read = await context.env.store.read(tree.keepalive(target));
  if (!read.ok) return read.code === 'no-node' ? { ...nothing, version: null } : null;
  const parsed = parseRecord(Keepalive, read.text);
  if (!parsed.ok) return { ...nothing, version: read.version };
  const { incarnation, sequence, state, intervalMs, failsafeAsks } = parsed.record;
  const hasStopped = context.board.livesBefore.hasStopped(target, incarnation, sequence);
  return {
    ...{ incarnation, sequence, intervalMs, failsafeAsks, version: read.version },
    state: hasStopped ? 'stop' : state,
    hasStoppedSince: hasStopped && state !== 'stop',
  };
}

/** The node's last sign of life, waiting for a store that is away for as long as the lock stands. */
export async function signWhileLocked(context: Context, target: string, file: FenceFile): Promise<LastSign | null> {
  while (file.lockStands() && !context.duties.aborted) {
    const sign = await readSign(context, target);
    if (sign !== null) return sign;
    await context.env.clock.sleep(100, context.duties);
  }
  return null;
}

/**
 * Who holds the name of a condemned node. `next-life`: a new incarnation on the same machine; it was claimed after the condemned incarnation
 * was over, and what that one ran as primary was stopped. `stranger`: another machine, which says nothing of this one (S1), or a holder
 * that cannot be read. `none`: nobody, or the condemned incarnation.
 */
export async function holderOfName(
  { env }: Context,
  registration: Registration | null,
  { target, incarnation }: Pick<FenceRecord, 'target' | 'incarnation'>,
): Promise<'next-life' | 'stranger' | 'none'> {
  // An operator may have had a node fenced whose keepalive was unreadable before: its last registered incarnation is meant.
  const condemned = incarnation ?? registration?.incarnation;
  const read = await env.store.read(tree.session(target));
  if (!read.ok) return read.code === 'no-node' ? 'none' : 'stranger';
  const holder = parseRecord(SessionHolder, read.text);
  if (!holder.ok || registration === null || condemned === undefined) return 'stranger';
  if (!isSameMachine(holder.record, registration)) return 'stranger';
  return holder.record.incarnation === condemned ? 'none' : 'next-life';
}
