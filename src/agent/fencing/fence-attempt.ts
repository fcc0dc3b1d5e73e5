/**
 * One attempt of a fence whose intent is written: one level, by this node; what made sure of it is recorded, what the node
 * held is freed, and last of all it is powered on again.
 */
import { inWords } from '../../core/decision.ts';
import type { FenceEvent } from '../../core/fencing.ts';
import type { LifeSign } from '../../core/levels.ts';
import { SessionHolder } from '../../records/registration.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { recoverVms } from '../vms/recovery.ts';
import { readPrimary, writePrimary } from '../primary/primary-file.ts';
import { devicesOf } from './devices.ts';
import type { FenceRecord } from '../../records/fence.ts';
import type { FenceFile } from './fence-file.ts';
import type { Trigger } from './fence-intent.ts';
import type { LevelOutcome } from './power-level.ts';
import { powerLevel } from './power-level.ts';
import { restore } from './restore.ts';
import { watchdogLevel } from './watchdog-level.ts';

/** Carries the fence on from the state in which its record is. */
export async function shoot(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  if (file.record.state === 'intent') {
    const level = file.record.attempting;
    if (level === null || level === 'manual')
      return failed(
        context,
        target,
        file,
        `there is no level by which ${target} could be fenced; when it is surely off: nodectl fence confirm ${target}`,
      );
    const outcome = await tryLevel(context, peers, target, level, file);
    if (outcome === null) return; // not ours any more: whoever has the lock next goes on
    const { metrics } = context.env;
    metrics.count('nodekeeper_fence_attempts_total', { level, outcome: outcome.off ? 'off' : 'failed' });
    if (!outcome.off) return failed(context, target, file, outcome.because, outcome.signAtOff ?? null);
    const event = level === 'watchdog' ? 'watchdogCertain' : 'powerReadsOff';
    if (!(await recordFenced(context, target, file, event, level, outcome))) return;
  }
  await freeWhatItHeld(context, peers, target, file);
  await restore(context, peers, target, file);
}

/** An operator's word instead of a reading: recorded with who gave it; nothing is powered on afterwards. */
export async function recordWord(
  context: Context,
  peers: Peers,
  target: string,
  file: FenceFile,
  { id, request }: Extract<Trigger, { kind: 'word' }>,
): Promise<void> {
  const because = `${request.by} has confirmed by hand that it is off${request.reason === '' ? '' : ` (${request.reason})`}`;
  file.note('confirmed by hand', because);
  const outcome = { off: true, confirmedWallMs: context.env.clock.wallMs(), because } as const;
  const answers = { requestId: id, askedBy: request.by };
  if (!(await recordFenced(context, target, file, 'operatorConfirms', 'manual', outcome, answers))) return;
  await freeWhatItHeld(context, peers, target, file);
  await restore(context, peers, target, file);
}

async function tryLevel(
  context: Context,
  peers: Peers,
  target: string,
  level: string,
  file: FenceFile,
): Promise<LevelOutcome | null> {
  const registration = peers.get(target);
  if (level === 'watchdog') return watchdogLevel(context, target, registration, file);
  const devices = devicesOf(context.env.secrets, registration, target, level);
  if (!devices.ok) return { off: false, because: `level ${level}: ${devices.because}` };
  return powerLevel(context, target, level, registration, devices.value, file);
}

async function recordFenced(
  context: Context,
  target: string,
  file: FenceFile,
  event: FenceEvent,
  level: string,
  outcome: Extract<LevelOutcome, { off: true }>,
  changes: Partial<FenceRecord> = {},
): Promise<boolean> {
  const { env, history } = context;
  const { confirmedWallMs } = outcome;
  const moved = await file.move(
    event,
    { ...changes, level, confirmedWallMs, recordedWallMs: env.clock.wallMs() },
    [],
    true,
  );
  if (!moved.ok) {
    env.log.warn('fence confirmed but not recorded', { node: target, code: moved.code, because: moved.because });
    return false;
  }
  const { record } = file;
  // The verdict may be another node's, by another clock, or a clock was set meanwhile.
  const tookMs = confirmedWallMs - record.verdictWallMs;
  env.metrics.took('nodekeeper_fence_duration_seconds', Math.max(0, tookMs), { level });
  const because = `${target} is off: ${outcome.because}${tookMs < 0 ? '' : ` after ${inWords(tookMs)}`}`;
  history.happened('fenced', because, {
    node: target,
    fenceId: record.id,
    evidence: { level, incarnation: record.incarnation },
  });
  return true;
}

async function failed(
  context: Context,
  target: string,
  file: FenceFile,
  because: string,
  signAtOff: LifeSign | null = null,
): Promise<void> {
  const { history, self } = context;
  file.note('attempt failed', because);
  const { attempting, tried: before } = file.record;
  const tried = attempting === null ? before : [...before, { level: attempting, by: self.name }];
  const moved = await file.move('levelsExhausted', { tried, ...(signAtOff === null ? {} : { signAtOff }) }, [], true);
  if (!moved.ok) return;
  const text = `${target} could not be fenced by ${self.name}: ${because}; nothing of it is recovered, it is tried again`;
  history.happened('fence-failed', text, { node: target, fenceId: file.record.id });
}

/** The dead life's ephemeral would hold the node's name until its session expires; it is certainly off, so it goes now. */
async function freeWhatItHeld(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  const { store } = context.env;
  // S1 (b): only while the record says `fenced` is power certainly off; once it may be on again, nothing is inferred.
  if (file.record.state === 'fenced') {
    await freeRole(context, target, file);
    await recoverVms(context, peers, target, file);
  }
  const read = await store.read(tree.session(target));
  if (!read.ok) return;
  const holder = parseRecord(SessionHolder, read.text);
  if (holder.ok && holder.record.incarnation === file.record.incarnation)
    await store.remove(tree.session(target), read.version);
}

/** The role of a node that is confirmed off is free, whichever of its lives held it. Insists while the store is away. */
async function freeRole(context: Context, target: string, file: FenceFile): Promise<void> {
  const { env, duties, history } = context;
  while (file.lockStands() && !duties.aborted) {
    const held = await readPrimary(context);
    if (held !== null) {
      const { record } = held;
      if (!held.readable || record.holder !== target) return;
      const because = `${target} held the role and is off: its fence is confirmed`;
      const free = {
        state: 'none',
        holder: null,
        incarnation: null,
        epoch: record.epoch,
        because,
        transfer: null,
        previous: target,
      } as const;
      const written = await writePrimary(context, held, free, file.stands());
      if (written.ok) {
        history.happened('role-free', because, { node: target, fenceId: file.record.id });
        return;
      }
      if (written.code === 'no-node') return; // our lock is gone: whoever has it next goes on
    }
    await env.clock.sleep(50, duties);
  }
}
