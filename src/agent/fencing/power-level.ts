/**
 * One attempt of one power level: all its devices are read, ordered off, and read again until every one reads off in the
 * same pass, or the level's deadline is over. Every pass begins with what power reads now, so it can be entered at any point
 * by any coordinator, as often as need be: nothing is ever ordered twice that once would do.
 */
import { inWords } from '../../core/decision.ts';
import { levelOutcome, nextLevelStep, offIsCredible } from '../../core/levels.ts';
import type { DeviceStep, LifeSign } from '../../core/levels.ts';
import type { PowerReading } from '../../environment/power.ts';
import type { FenceDevice } from '../../records/device.ts';
import type { Registration } from '../../records/registration.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import type { LastSign } from './life-sign.ts';
import { readSign } from './life-sign.ts';
import { wasSeenOn } from './proofs.ts';

export type LevelOutcome =
  | { readonly off: true; readonly confirmedWallMs: number; readonly because: string }
  | {
      readonly off: false;
      readonly because: string;
      /** As in the fence's record. */
      readonly signAtOff?: LifeSign | null;
    };

/** Who lives publishes within so many beats. */
const beatsWatched = 1.5;

/** What was done to one device in this attempt. */
interface Handled {
  readonly device: FenceDevice;
  requests: number;
  requestedAtMs: number;
  lastFault: string;
  seenOn: boolean;
}

/** Null: the fence was given up because it is not ours any more (lock lost, duties over, stepped down). */
export async function powerLevel(
  context: Context,
  target: string,
  level: string,
  registration: Registration | null,
  devices: readonly FenceDevice[],
  file: FenceFile,
): Promise<LevelOutcome | null> {
  const seenOn = await wasSeenOn(context, registration, target);
  const handled = devices.map((device): Handled => ({ device, requests: 0, requestedAtMs: 0, lastFault: '', seenOn }));
  const outcome = await handleAll(context, target, level, handled, file);
  // While the lock is surely ours nobody else has switched anything yet: no order of ours came after theirs.
  if (outcome === null && !mayShoot(context, file))
    file.mayStrikeLate = handled.filter(({ requests }) => requests > 0).map(({ device }) => device);
  return outcome;
}

async function handleAll(
  context: Context,
  target: string,
  level: string,
  handled: readonly Handled[],
  file: FenceFile,
): Promise<LevelOutcome | null> {
  const { env, config, duties, board } = context;
  const devices = handled.map(({ device }) => device);
  const startMs = env.clock.monotonicMs();
  const slowestMs = Math.max(...devices.map((device) => device.commandTimeoutMs));
  const deadlineMs = Math.max(config.fencing.levelDeadline, 2 * slowestMs);
  let readOff: { readonly sign: LastSign; readonly atMs: number } | null = null;
  for (;;) {
    if (!file.lockStands() || duties.aborted || board.steppedDown !== null) return null;
    const readings = await Promise.all(devices.map((device) => env.power.read(device, device.commandTimeoutMs)));
    const nowMs = env.clock.monotonicMs();
    const steps = handled.map((one, index): DeviceStep => {
      const reading = readings[index];
      if (reading?.power === 'on') one.seenOn = true;
      if (reading !== undefined) noteFault(one, reading, devices.length > 1, file);
      const facts = {
        reading: reading?.power ?? 'unknown',
        readingBecause: reading?.because ?? '',
        requests: one.requests,
        requestsMax: 1 + one.device.retries,
        sinceRequestMs: nowMs - one.requestedAtMs,
        elapsedMs: nowMs - startMs,
        deadlineMs,
        repeatRequestMs: config.fencing.repeatOrder,
        seenOn: one.seenOn,
      };
      return { device: one.device.name, next: nextLevelStep(facts) };
    });
    const next = levelOutcome(steps);
    if (next.step === 'confirm') {
      const confirmed = await confirm(context, target, level, file, next.because, devices);
      if (confirmed !== 'on-again') return confirmed;
      continue;
    }
    if (next.step === 'give-up') {
      const isSilent = readOff !== null && nowMs - readOff.atMs >= beatsWatched * readOff.sign.intervalMs;
      const { incarnation, sequence } = readOff?.sign ?? { incarnation: null, sequence: null };
      const signAtOff = isSilent ? { incarnation, sequence } : null;
      return { off: false, because: `level ${level}: ${next.because}`, signAtOff };
    }
    if (
      readOff === null &&
      handled.every(({ requests }) => requests > 0) &&
      readings.every(({ power }) => power === 'off')
    ) {
      const sign = await readSign(context, target);
      readOff = sign === null ? null : { sign, atMs: env.clock.monotonicMs() };
    }
    if (next.step === 'request-off' && mayShoot(context, file)) {
      const due = handled.filter((_, index) => steps[index]?.next.step === 'request-off');
      await Promise.all(due.map((one) => orderOff(context, one, devices.length > 1, file)));
      continue; // read at once: most devices are quick
    }
    await env.clock.sleep(config.fencing.pollInterval, duties);
  }
}

function noteFault(one: Handled, reading: PowerReading, several: boolean, file: FenceFile): void {
  if (reading.power !== 'unknown' || reading.because === one.lastFault) return;
  one.lastFault = reading.because;
  file.note('power not readable', several ? `${one.device.name}: ${reading.because}` : reading.because);
}

async function orderOff(context: Context, one: Handled, several: boolean, file: FenceFile): Promise<void> {
  const { env } = context;
  one.requests += 1;
  one.requestedAtMs = env.clock.monotonicMs();
  const answer = await env.power.order(one.device, 'off', one.device.commandTimeoutMs);
  const because = `${answer.because} (${inWords(answer.tookMs)})`;
  file.note(
    answer.accepted ? 'power off ordered' : 'power off not taken',
    several ? `${one.device.name}: ${because}` : because,
  );
}

/** In the very instant before the order: the session lives, its last acknowledged write is fresh, we were not paused. */
export function mayShoot(context: Context, file: FenceFile): boolean {
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

/** S4: power reads off; a BMC that says so while keepalives go on is lying. `on-again`: it has to be read, and ordered off, once more. */
async function confirm(
  context: Context,
  target: string,
  level: string,
  file: FenceFile,
  because: string,
  devices: readonly FenceDevice[],
): Promise<LevelOutcome | 'on-again' | null> {
  const { env, history, duties } = context;
  let confirmedWallMs = env.clock.wallMs();
  file.note('power reads off', because);
  const atIntent = { incarnation: file.record.incarnation, sequence: file.record.sequence };
  const first = await signWhileLocked(context, target, file);
  if (first === null) return null;
  const wasSilent = file.record.requestId === null;
  let answer = offIsCredible(wasSilent, atIntent, first, null);
  if (answer.answer === 'look-again') {
    file.note('watching keepalives', answer.because);
    await env.clock.sleep(Math.round(first.intervalMs * beatsWatched), duties);
    const second = await signWhileLocked(context, target, file);
    if (second === null) return null;
    answer = offIsCredible(wasSilent, atIntent, first, second);
    // Somebody may have powered it on meanwhile.
    const readings = await Promise.all(devices.map((device) => env.power.read(device, device.commandTimeoutMs)));
    if (answer.answer !== 'lying' && readings.some(({ power }) => power === 'on')) return 'on-again';
    confirmedWallMs = env.clock.wallMs();
  }
  if (answer.answer === 'lying') {
    history.happened('bmc-lies', `${target}: ${answer.because}`, { node: target, fenceId: file.record.id });
    return { off: false, because: `level ${level}: ${answer.because}` };
  }
  return { off: true, confirmedWallMs, because: 'power was read as off' };
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
