/**
 * One attempt of a fence whose intent is written: shoot until power reads off, record it, free what the node held, and
 * last of all power it on again. Every step begins with what power reads now, so it can be entered at any point by any
 * coordinator, as often as need be: nothing is ever ordered twice that once would do.
 */
import { inWords } from '../../core/decision.ts';
import { afterFenced } from '../../core/fencing.ts';
import { nextLevelStep, offIsCredible } from '../../core/levels.ts';
import { BmcReference, SessionHolder } from '../../records/registration.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import type { LastSign } from './life-sign.ts';
import { readSign } from './life-sign.ts';
import { readPrimary, writePrimary } from '../primary/primary-file.ts';
import type { Peers } from '../peers.ts';

/** How long power may take to read on before the restore is called failed (a fence is not undone by that: F3). */
const powerOnDeadlineMs = 30_000;

/** Carries the fence on from the state in which its record is. */
export async function shoot(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  if (file.record.state === 'intent') {
    const bmc = openBmc(context, peers, target);
    const outcome =
      typeof bmc === 'string' ? ({ off: false, because: bmc } as const) : await ipmiLevel(context, target, bmc, file);
    if (outcome === null) return; // not ours any more: whoever has the lock next goes on
    if (!outcome.off) return failed(context, target, file, outcome.because);
    if (!(await recordFenced(context, target, file, outcome.confirmedWallMs))) return;
  }
  await freeWhatItHeld(context, target, file);
  await restore(context, peers, target, file);
}

/** The BMC reference from the registration, or the sentence that says why there is none. */
function openBmc(context: Context, peers: Peers, target: string): BmcReference | string {
  const registration = peers.get(target);
  if (registration === null) return `level ipmi: ${target} is not registered`;
  if (registration.bmcSealed === null) return `level ipmi: ${target} has no BMC configured`;
  const plain = context.env.secrets.open(registration.bmcSealed, `bmc ${target}`);
  if (plain === null) return `level ipmi: the BMC reference of ${target} was sealed with another cluster key`;
  const parsed = parseRecord(BmcReference, plain);
  return parsed.ok ? parsed.record : `level ipmi: the BMC reference of ${target} cannot be read: ${parsed.because}`;
}

type LevelOutcome =
  { readonly off: true; readonly confirmedWallMs: number } | { readonly off: false; readonly because: string };

/** The level `ipmi`. Null: the fence was given up because it is not ours any more (lock lost, duties over, stepped down). */
async function ipmiLevel(
  context: Context,
  target: string,
  bmc: BmcReference,
  file: FenceFile,
): Promise<LevelOutcome | null> {
  const { env, config, duties, board } = context;
  const { levelDeadline, pollInterval, repeatOrder } = config.fencing;
  const startMs = env.clock.monotonicMs();
  let requests = 0;
  let requestedAtMs = 0;
  let lastFault = '';
  for (;;) {
    if (!file.lockStands() || duties.aborted || board.steppedDown !== null) return null;
    const reading = await env.power.read(bmc, bmc.commandTimeoutMs);
    const nowMs = env.clock.monotonicMs();
    const next = nextLevelStep({
      reading: reading.power,
      readingBecause: reading.because,
      requests,
      sinceRequestMs: nowMs - requestedAtMs,
      elapsedMs: nowMs - startMs,
      deadlineMs: levelDeadline,
      repeatRequestMs: repeatOrder,
    });
    if (reading.power === 'unknown' && reading.because !== lastFault) {
      lastFault = reading.because;
      file.note('power not readable', reading.because);
    }
    if (next.step === 'confirm') return confirm(context, target, file, next.because);
    if (next.step === 'give-up') return { off: false, because: `level ipmi: ${next.because}` };
    if (next.step === 'request-off' && mayShoot(context, file)) {
      requests += 1;
      requestedAtMs = env.clock.monotonicMs();
      const answer = await env.power.order(bmc, 'off', bmc.commandTimeoutMs);
      file.note(
        answer.accepted ? 'power off ordered' : 'power off not taken',
        `${answer.because} (${inWords(answer.tookMs)})`,
      );
      continue; // read at once: most BMCs are quick
    }
    await env.clock.sleep(pollInterval, duties);
  }
}

/** In the very instant before the order: the session lives, its last acknowledged write is fresh, we were not paused. */
function mayShoot(context: Context, file: FenceFile): boolean {
  const { env, config, board } = context;
  const age = contactAgeMs(context);
  return (
    env.store.session().state === 'connected' &&
    file.lockStands() &&
    age !== null &&
    age <= config.timing.contactMaxMs &&
    board.lateMs <= config.keepalive.interval
  );
}

/** S4: power reads off; a BMC that says so while keepalives go on is lying. */
async function confirm(
  context: Context,
  target: string,
  file: FenceFile,
  because: string,
): Promise<LevelOutcome | null> {
  const { env, history, duties } = context;
  const confirmedWallMs = env.clock.wallMs();
  file.note('power reads off', because);
  const atIntent = { incarnation: file.record.incarnation, sequence: file.record.sequence };
  const first = await signWhileLocked(context, target, file);
  if (first === null) return null;
  const wasSilent = file.record.requestId === null;
  let answer = offIsCredible(wasSilent, atIntent, first, null);
  if (answer.answer === 'look-again') {
    file.note('watching keepalives', answer.because);
    await env.clock.sleep(Math.round(first.intervalMs * 1.5), duties);
    const second = await signWhileLocked(context, target, file);
    if (second === null) return null;
    answer = offIsCredible(wasSilent, atIntent, first, second);
  }
  if (answer.answer === 'lying') {
    history.happened('bmc-lies', `${target}: ${answer.because}`, { node: target, fenceId: file.record.id });
    return { off: false, because: `level ipmi: ${answer.because}` };
  }
  return { off: true, confirmedWallMs };
}

/** The node's last sign of life, waiting for a store that is away for as long as the lock stands. */
async function signWhileLocked(context: Context, target: string, file: FenceFile): Promise<LastSign | null> {
  while (file.lockStands() && !context.duties.aborted) {
    const sign = await readSign(context, target);
    if (sign !== null) return sign;
    await context.env.clock.sleep(100, context.duties);
  }
  return null;
}

async function recordFenced(
  context: Context,
  target: string,
  file: FenceFile,
  confirmedWallMs: number,
): Promise<boolean> {
  const { env, history } = context;
  const recordedWallMs = env.clock.wallMs();
  const moved = await file.move('powerReadsOff', { level: 'ipmi', confirmedWallMs, recordedWallMs }, [], true);
  if (!moved.ok) {
    env.log.warn('fence confirmed but not recorded', { node: target, code: moved.code, because: moved.because });
    return false;
  }
  const { record } = file;
  const because = `${target} is off: power was read as off after ${inWords(confirmedWallMs - record.verdictWallMs)}`;
  history.happened('fenced', because, {
    node: target,
    fenceId: record.id,
    evidence: { level: 'ipmi', incarnation: record.incarnation },
  });
  return true;
}

async function failed(context: Context, target: string, file: FenceFile, because: string): Promise<void> {
  const { history, self } = context;
  file.note('attempt failed', because);
  const triedThisRound = [...file.record.triedThisRound.filter((name) => name !== self.name), self.name];
  const moved = await file.move('levelsExhausted', { triedThisRound }, [], true);
  if (!moved.ok) return;
  const text = `${target} could not be fenced by ${self.name}: ${because}; nothing of it is recovered, it is tried again`;
  history.happened('fence-failed', text, { node: target, fenceId: file.record.id });
}

/** The dead life's ephemeral would hold the node's name until its session expires; it is certainly off, so it goes now. */
async function freeWhatItHeld(context: Context, target: string, file: FenceFile): Promise<void> {
  const { store } = context.env;
  // S1 (b): only while the record says `fenced` is power certainly off; once it may be on again, nothing is inferred.
  if (file.record.state === 'fenced') await freeRole(context, target, file);
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

/** F3: whatever happens here undoes nothing. */
async function restore(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  const { config, history } = context;
  const fenceId = file.record.id;
  if (file.record.state === 'fenced') {
    const decision = afterFenced({
      action: file.record.action,
      fencesInLastHour: file.record.recentWallMs.length,
      maxFencesPerHour: config.fencing.maxFencesPerHour,
    });
    file.note(decision.event === 'leaveOff' ? 'stays off' : 'power on', decision.because);
    const moved = await file.move(decision.event, {}, [], true);
    if (!moved.ok || decision.event === 'leaveOff') {
      if (moved.ok)
        history.happened('fence-step', `${target} stays off: ${decision.because}`, { node: target, fenceId });
      return;
    }
  }
  if (file.record.state !== 'restoring') return;
  const bmc = openBmc(context, peers, target);
  const on = typeof bmc === 'string' ? { on: false, because: bmc } : await powerOn(context, bmc, file);
  if (on === null) return;
  file.note(on.on ? 'power reads on' : 'power on failed', on.because);
  const moved = await file.move(on.on ? 'powerReadsOn' : 'powerOnFailed', {}, [], true);
  if (moved.ok || moved.code === 'bad-version') {
    // bad-version: the node was faster than we and has closed the record itself
    const text = on.on
      ? `${target} is powered on again`
      : `${target} could not be powered on: ${on.because}; the fence stands`;
    history.happened('power-on', text, { node: target, fenceId });
  }
}

async function powerOn(
  context: Context,
  bmc: BmcReference,
  file: FenceFile,
): Promise<{ on: boolean; because: string } | null> {
  const { env, config, duties } = context;
  const startMs = env.clock.monotonicMs();
  let orderedAtMs: number | null = null;
  let because = 'not tried';
  while (env.clock.monotonicMs() - startMs < powerOnDeadlineMs) {
    if (!file.lockStands() || duties.aborted) return null;
    const reading = await env.power.read(bmc, bmc.commandTimeoutMs);
    if (reading.power === 'on')
      return {
        on: true,
        because: orderedAtMs === null ? 'power already read on' : 'power read on after it was ordered on',
      };
    because = reading.because;
    const nowMs = env.clock.monotonicMs();
    const due = orderedAtMs === null || nowMs - orderedAtMs >= config.fencing.repeatOrder;
    if (due && mayShoot(context, file)) {
      orderedAtMs = nowMs;
      const answer = await env.power.order(bmc, 'on', bmc.commandTimeoutMs);
      file.note(
        answer.accepted ? 'power on ordered' : 'power on not taken',
        `${answer.because} (${inWords(answer.tookMs)})`,
      );
    } else await env.clock.sleep(config.fencing.pollInterval, duties);
  }
  return { on: false, because: `power does not read on within ${inWords(powerOnDeadlineMs)}: ${because}` };
}
