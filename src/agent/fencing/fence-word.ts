/**
 * An operator's word that a node is off (S1b by a person). It is taken only while its request stands as it was read: one that was
 * refused by another coordinator, or withdrawn by its nodectl, is not (S6).
 */
import { alreadyFenced, wordRefusal } from '../../core/guards.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { openDevices, powerOf, trustedDevices } from './devices.ts';
import type { FenceFile } from './fence-file.ts';
import type { Trigger } from './fence-intent.ts';
import { intentOf, stillHolds } from './fence-intent.ts';
import type { LastSign } from './life-sign.ts';
import { beatsWatched, readSign } from './life-sign.ts';
import type { Refusals } from './refusals.ts';

/**
 * An operator's word that a node is off (S1b by a person): watched for longer than a beat, and against what its devices
 * say. Its last sign of life, which must still be the last when the word is recorded; null: the word is not taken.
 */
export async function takesWord(
  context: Context,
  peers: Peers,
  refusals: Refusals,
  target: string,
  trigger: Extract<Trigger, { kind: 'word' }>,
  file: FenceFile,
): Promise<LastSign | null> {
  const { env, self, board, history, duties } = context;
  if (!(await stillAsked(context, trigger))) return null; // another coordinator answered it while this one waited for the lock
  const before = await readSign(context, target);
  const devices = openDevices(env.secrets, peers.get(target), target);
  const own = devices.ok ? await trustedDevices(context, target, devices.value, false) : [];
  const watchedMs = before === null ? 0 : Math.round(before.intervalMs * beatsWatched);
  const [power] = await Promise.all([powerOf(context, target, own), env.clock.sleep(watchedMs, duties)]);
  const after = await readSign(context, target);
  if (before === null || after === null || duties.aborted) return null;
  const refusal = wordRefusal({
    self: self.name,
    target,
    sessionLive: env.store.session().state === 'connected',
    steppedDown: board.steppedDown !== null,
    keepalivesGoOn: after.incarnation !== before.incarnation || after.sequence !== before.sequence,
    power,
    despiteReading: trigger.request.despiteReading,
  });
  if (refusal !== null) {
    await refusals.refuse(trigger, refusal, `the word that ${target} is off is not taken: ${refusal.because}`);
    return null;
  }
  const { state, incarnation, level, askedBy } = file.record;
  // Two operators at once: the first confirmation is recorded and done, and this one would be a second fence.
  if (state === 'finished' && after.incarnation === incarnation) {
    const who = level === 'manual' ? `${askedBy ?? 'an operator'} has confirmed it before: ` : '';
    const because = `${who}${target} is recorded as off`;
    await refusals.refuse(trigger, { guard: alreadyFenced, because }, `confirmation of ${target}: ${because}`);
    return null;
  }
  if (
    (state === 'fenced' || state === 'restoring') &&
    after.incarnation !== null &&
    after.incarnation !== incarnation
  ) {
    const because = `its fence is about an incarnation that is over: ${target} has come back since`;
    await refusals.refuse(
      trigger,
      { guard: 'incarnation', because },
      `the word that ${target} is off is not taken: ${because}`,
    );
    return null;
  }
  // The record of it checks the request once more.
  if (state === 'intent') return (await stillAsked(context, trigger)) ? after : null;
  if (state === 'fenced' || state === 'restoring')
    return (await env.store.commit([...file.stands(), ...stillHolds(target, trigger, after)])).ok ? after : null;
  const intended = await file.move(
    'verdict',
    intentOf(context, peers, target, trigger, file.record, after, 'manual'),
    stillHolds(target, trigger, after),
  );
  if (!intended.ok) return null;
  const { record } = file;
  history.happened('fence-intent', `${self.name} takes the word of ${trigger.request.by} that ${target} is off`, {
    node: target,
    fenceId: record.id,
    evidence: { incarnation: record.incarnation, sequence: record.sequence, power },
  });
  return after;
}

/** Whether the request stands as it was read: neither refused nor withdrawn since. */
async function stillAsked({ env }: Context, trigger: Extract<Trigger, { kind: 'word' }>): Promise<boolean> {
  const read = await env.store.read(`${tree.requests}/${trigger.id}`);
  return read.ok && read.version === trigger.version;
}
