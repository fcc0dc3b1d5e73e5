/**
 * One attempt of a fence whose intent is written: one level, by this node; what made sure of it is recorded, what the node
 * held is freed, and last of all it is powered on again.
 */
import { inWords } from '../../core/decision.ts';
import type { FenceEvent } from '../../core/fencing.ts';
import type { Operation } from '../../environment/store.ts';
import { SessionHolder } from '../../records/registration.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { recoverVms } from '../vms/recovery.ts';
import { readPrimary, writePrimary } from '../primary/primary-file.ts';
import { unansweredMax } from './before-command.ts';
import { devicesOf } from './devices.ts';
import type { FenceLedger, FenceRecord } from '../../records/fence.ts';
import { recentFences } from '../../records/fence.ts';
import type { FenceFile } from './fence-file.ts';
import { stillHolds } from './fence-intent.ts';
import type { Trigger } from './fence-intent.ts';
import type { Taken } from './fence-word.ts';
import type { LevelOutcome } from './level-outcome.ts';
import { signWhileLocked } from './life-sign.ts';
import { isOldFence } from './recent-fences.ts';
import { powerLevel } from './power-level.ts';
import { restore } from './restore.ts';
import { watchdogLevel } from './watchdog-level.ts';

/** Carries the fence on from the state in which its record is. */
export async function shoot(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  if (file.record.state === 'intent') {
    const level = file.record.attempting;
    if (level === null || level === 'manual')
      return failed(context, target, file, {
        because: `there is no level by which ${target} could be fenced; when it is surely off: nodectl fence confirm ${target}`,
      });
    const outcome = await tryAndRecord(context, peers, target, level, file);
    if (outcome === null) return; // not ours any more: whoever has the lock next goes on
    if (outcome === 'alive') return;
    const { metrics } = context.env;
    metrics.count('nodekeeper_fence_attempts_total', { level, outcome: outcome.off ? 'off' : 'failed' });
    if (!outcome.off) return failed(context, target, file, outcome);
  }
  await freeWhatItHeld(context, peers, target, file);
  await restore(context, peers, target, file);
}

/** How often an attempt is made again because a keepalive came between the last look and the record. */
const recordTriesMax = 3;

/** Tries a level until what came of it is recorded; `alive`: the fence was cancelled. */
async function tryAndRecord(
  context: Context,
  peers: Peers,
  target: string,
  level: string,
  file: FenceFile,
): Promise<Exclude<LevelOutcome, { off: 'alive' }> | 'alive' | null> {
  for (let tries = 0; tries < recordTriesMax; tries += 1) {
    const outcome = await tryLevel(context, peers, target, level, file);
    if (outcome === null) return null;
    if (outcome.off === 'alive') {
      await cancelled(context, target, file, 'aliveUntouched', outcome.because);
      return 'alive';
    }
    if (!outcome.off) return outcome;
    const event = level === 'watchdog' ? 'watchdogCertain' : 'powerReadsOff';
    const recorded = await recordFenced(context, target, file, event, level, outcome);
    if (recorded === 'recorded') return outcome;
    if (recorded === 'lost') {
      file.mayStrikeLate = file.ordered;
      return null;
    }
  }
  return { off: false, because: `level ${level}: a keepalive came each time before the record was written` };
}

/** The fence ends here: the node was found alive, or as another incarnation. */
export async function cancelled(
  { history }: Context,
  target: string,
  file: FenceFile,
  event: 'aliveUntouched' | 'anotherIncarnation' | 'aliveAgain',
  because: string,
): Promise<void> {
  const fenceId = file.record.id;
  file.note('cancelled', because);
  const moved = await file.move(event, {}, [], true);
  if (moved.ok) history.happened('fence-cancelled', because, { node: target, fenceId });
}

/**
 * An operator's word instead of a reading: recorded with who gave it, in the one transaction that checks the request too; nothing is
 * powered on afterwards, also when it was a reading that this fence rested on before.
 */
export async function recordWord(
  context: Context,
  peers: Peers,
  target: string,
  file: FenceFile,
  trigger: Extract<Trigger, { kind: 'word' }>,
  { sign, changes }: Taken,
): Promise<void> {
  const { request } = trigger;
  const because = `${request.by} has confirmed by hand that it is off${request.reason === '' ? '' : ` (${request.reason})`}`;
  if (changes.steps === undefined) file.note('confirmed by hand', because);
  const outcome = {
    off: true,
    confirmedWallMs: context.env.clock.wallMs(),
    because,
    signVersion: sign.version,
  } as const;
  // It orders nothing, so it takes no place among the fences at once; but who is condemned records nothing.
  const { name } = context.self;
  const allows = ({ entries }: FenceLedger) =>
    entries[name] === 'intent' ? `a fence of ${name} itself is under way` : null;
  const besides = { changes, also: stillHolds(target, trigger, sign), allows };
  const recorded = await recordFenced(context, target, file, 'operatorConfirms', 'manual', outcome, besides);
  if (recorded !== 'recorded') return;
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
  return powerLevel(context, target, level, devices.value, file);
}

/** What is written, and what must hold, in the same transaction. */
interface Besides {
  readonly changes: Partial<FenceRecord>;
  readonly also: readonly Operation[];
  /** What the ledger must allow at the very write, else the sentence why not. */
  readonly allows?: (ledger: FenceLedger) => string | null;
}

async function recordFenced(
  context: Context,
  target: string,
  file: FenceFile,
  event: FenceEvent,
  level: string,
  outcome: Extract<LevelOutcome, { off: true }>,
  { changes, also, allows }: Besides = { changes: {}, also: [] },
): Promise<'recorded' | 'again' | 'lost'> {
  const { env, history } = context;
  const { confirmedWallMs, signVersion } = outcome;
  const { state } = file.record;
  // A word over what is recorded as fenced already is no further fence.
  const recentWallMs =
    state === 'fenced'
      ? file.record.recentWallMs
      : recentFences(file.record, env.clock.wallMs(), (at) => isOldFence(context, target, at));
  const recordedWallMs = recentWallMs.at(-1) ?? env.clock.wallMs();
  // S1, S2: what is freed with this record is free only if no keepalive has come since the last look.
  const silent = signVersion === null ? [] : [keepaliveIs(target, signVersion)];
  const moved = await file.move(
    event,
    { ...changes, level, confirmedWallMs, recordedWallMs, recentWallMs: [...recentWallMs] },
    [...silent, ...also],
    true,
    allows,
  );
  if (!moved.ok) {
    env.log.warn('fence confirmed but not recorded', { node: target, code: moved.code, because: moved.because });
    return moved.code === 'bad-version' && file.lockStands() && file.record.state === 'intent' ? 'again' : 'lost';
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
  return 'recorded';
}

const keepaliveIs = (target: string, version: number): Operation => ({
  kind: 'check',
  path: tree.keepalive(target),
  version,
});

async function failed(
  context: Context,
  target: string,
  file: FenceFile,
  { because, signAtOff = null, unanswered = [] }: Omit<Extract<LevelOutcome, { off: false }>, 'off'>,
): Promise<void> {
  const { history, self } = context;
  file.note('attempt failed', because);
  const { attempting, tried: before } = file.record;
  const tried = attempting === null ? before : [...before, { level: attempting, by: self.name }];
  const changes = {
    tried,
    unanswered: [...new Set([...file.record.unanswered, ...unanswered])].slice(-unansweredMax),
    ...(signAtOff === null ? {} : { signAtOff }),
  };
  const moved = await file.move('levelsExhausted', changes, [], true);
  if (!moved.ok) {
    file.mayStrikeLate = file.ordered; // the fence is another coordinator's: our last command may arrive after its own
    return;
  }
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

/**
 * The role of a node that is confirmed off is free, whichever of its lives held it. A watchdog's bound is the end of one life, and the
 * machine may be on: that life is back if it has published since. Insists while the store is away and the record stands.
 */
async function freeRole(context: Context, target: string, file: FenceFile): Promise<void> {
  const { env, duties, history } = context;
  while (file.lockStands() && !duties.aborted) {
    const held = await readPrimary(context);
    if (held !== null) {
      const { record } = held;
      if (!held.readable || record.holder !== target) return;
      const isByWatchdog = file.record.level === 'watchdog';
      if (isByWatchdog && record.incarnation !== file.record.incarnation) return;
      const silent = isByWatchdog ? await silentSince(context, target, file) : [];
      if (silent === 'alive') return;
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
      const written = await writePrimary(context, held, free, [...file.stands(), ...silent]);
      if (written.ok) {
        history.happened('role-free', because, { node: target, fenceId: file.record.id });
        return;
      }
      if (written.code === 'no-node') return; // our lock is gone: whoever has it next goes on
    }
    if (await file.hasMoved()) return; // the node has come back, or the record was spoilt: it is judged anew
    await env.clock.sleep(50, duties);
  }
}

/** That no keepalive of the condemned life has come since its fence, to be checked by a transaction; `alive`: one has, or the lock is gone. */
async function silentSince(context: Context, target: string, file: FenceFile): Promise<Operation[] | 'alive'> {
  const sign = await signWhileLocked(context, target, file);
  const { incarnation, sequence } = file.record;
  if (sign === null || (sign.incarnation === incarnation && sign.sequence !== sequence)) return 'alive';
  return sign.version === null ? [] : [keepaliveIs(target, sign.version)];
}
