/** An operator's word that a node is off (S1b by a person). */
import { wordRefusal } from '../../core/guards.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { openDevices, powerOf } from './devices.ts';
import type { FenceFile } from './fence-file.ts';
import type { Trigger } from './fence-intent.ts';
import { intentOf, stillHolds } from './fence-intent.ts';
import { readSign } from './life-sign.ts';
import type { Refusals } from './refusals.ts';

/**
 * An operator's word that a node is off (S1b by a person): watched for longer than a beat, and against what its devices
 * say. True: it may be recorded.
 */
export async function takesWord(
  context: Context,
  peers: Peers,
  refusals: Refusals,
  target: string,
  trigger: Extract<Trigger, { kind: 'word' }>,
  file: FenceFile,
): Promise<boolean> {
  const { env, self, board, history, duties } = context;
  const before = await readSign(context, target);
  const devices = openDevices(env.secrets, peers.get(target), target);
  const power = devices.ok ? await powerOf(env.power, devices.value) : 'unknown';
  if (before !== null) await env.clock.sleep(Math.round(before.intervalMs * 1.5), duties);
  const after = await readSign(context, target);
  if (before === null || after === null || duties.aborted) return false;
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
    return false;
  }
  if (file.record.state === 'intent') return true;
  const intended = await file.move(
    'verdict',
    intentOf(context, peers, target, trigger, file.record, after, 'manual'),
    stillHolds(target, trigger, after),
  );
  if (!intended.ok) return false;
  const { record } = file;
  history.happened('fence-intent', `${self.name} takes the word of ${trigger.request.by} that ${target} is off`, {
    node: target,
    fenceId: record.id,
    evidence: { incarnation: record.incarnation, sequence: record.sequence, power },
  });
  return true;
}
