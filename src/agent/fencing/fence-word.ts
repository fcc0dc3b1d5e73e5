/**
 * An operator's word that a node is off (S1b by a person). It is taken only while its request stands as it was read: one that was
 * refused by another coordinator, or withdrawn by its nodectl, is not (S6). One transaction takes it: until then nothing is written,
 * so that whoever takes it may die at any moment, and leaves a request that the next one takes, or a node that is recorded as off.
 */
import type { Refusal } from '../../core/guards.ts';
import { alreadyFenced, wordRefusal } from '../../core/guards.ts';
import type { FenceRecord } from '../../records/fence.ts';
import type { ConfirmRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { openDevices, powerOf, trustedDevices } from './devices.ts';
import type { FenceFile } from './fence-file.ts';
import type { Trigger } from './fence-intent.ts';
import { intentOf } from './fence-intent.ts';
import type { LastSign } from './life-sign.ts';
import { beatsWatched, readSign } from './life-sign.ts';
import type { Refusals } from './refusals.ts';
import { notForeign } from './whose.ts';

/** A word that is taken. */
export interface Taken {
  /** The node's last sign of life, which must still be the last when the word is recorded. */
  readonly sign: LastSign;
  /** What the word changes in the record. */
  readonly changes: Partial<FenceRecord>;
}

/** Watched for longer than a beat, and then held against what the node's devices say. Null: the word is not taken. */
export async function takesWord(
  context: Context,
  peers: Peers,
  refusals: Refusals,
  target: string,
  trigger: Extract<Trigger, { kind: 'word' }>,
  file: FenceFile,
): Promise<Taken | null> {
  const { env, self, board, duties } = context;
  if (!(await stillAsked(context, trigger))) return null; // another coordinator answered it while this one waited for the lock
  const sinceWallMs = env.clock.wallMs();
  const before = await readSign(context, target);
  if (before === null) return null;
  const devices = openDevices(env.secrets, peers.get(target), target);
  const trusted = devices.ok ? await trustedDevices(context, target, devices.value, false) : [];
  await env.clock.sleep(Math.round(before.intervalMs * beatsWatched), duties);
  // After the watch: who was switched on in it has not published yet. The address may lead to other hardware by now, which has got its name.
  const own = await notForeign(context, target, trusted);
  const power = await powerOf(context, target, own);
  const after = await readSign(context, target);
  if (after === null || duties.aborted) return null;
  const refusal =
    wordRefusal({
      self: self.name,
      target,
      sessionLive: env.store.session().state === 'connected',
      steppedDown: board.steppedDown !== null,
      keepalivesGoOn: after.incarnation !== before.incarnation || after.sequence !== before.sequence,
      power,
      despiteReading: trigger.request.despiteReading,
    }) ??
    isOfEarlierLife(trigger.request, target, after) ??
    isAnsweredBy(file.record, target, after);
  if (refusal !== null) {
    const sentence =
      refusal.guard === alreadyFenced
        ? `confirmation of ${target}: ${refusal.because}`
        : `the word that ${target} is off is not taken: ${refusal.because}`;
    await refusals.refuse(trigger, refusal, sentence);
    return null;
  }
  const { state } = file.record;
  const { incarnation, sequence } = after;
  // The last sign of life is the one that was watched: what comes after it is news of a node that is not off.
  if (state === 'intent' || state === 'fenced') {
    const seen = incarnation === null ? {} : { incarnation, sequence };
    return { sign: after, changes: { requestId: trigger.id, askedBy: trigger.request.by, ...seen } };
  }
  const intended = intentOf(context, peers, target, trigger, file.record, after, 'manual');
  return { sign: after, changes: { ...intended, verdictWallMs: sinceWallMs } };
}

/** It may have waited long for a coordinator, and the node have been switched on meanwhile. */
function isOfEarlierLife({ incarnation }: ConfirmRequest, target: string, now: LastSign): Refusal | null {
  if (incarnation === null || now.incarnation === null || incarnation === now.incarnation) return null;
  return {
    guard: 'incarnation',
    because: `${target} has started again since that was said: look again, and say it anew`,
  };
}

/** Whether the fence that is recorded answers the word already; null: it does not. */
function isAnsweredBy(
  { state, incarnation, level, askedBy }: FenceRecord,
  target: string,
  now: LastSign,
): Refusal | null {
  // Two operators at once: the first confirmation is recorded and done, and this one would be a second fence.
  // A watchdog's bound says nothing of power, nor of guests: a word says more.
  if (state === 'finished' && level !== 'watchdog' && now.incarnation === incarnation) {
    const who = level === 'manual' ? `${askedBy ?? 'an operator'} has confirmed it before: ` : '';
    return { guard: alreadyFenced, because: `${who}${target} is recorded as off` };
  }
  if ((state === 'fenced' || state === 'restoring') && now.incarnation !== null && now.incarnation !== incarnation)
    return {
      guard: 'incarnation',
      because: `its fence is about an incarnation that is over: ${target} has come back since`,
    };
  return null;
}

/** Whether the request stands as it was read: neither refused nor withdrawn since. */
async function stillAsked({ env }: Context, trigger: Extract<Trigger, { kind: 'word' }>): Promise<boolean> {
  const read = await env.store.read(`${tree.requests}/${trigger.id}`);
  return read.ok && read.version === trigger.version;
}
