/**
 * One attempt of one power level: all its devices say whose they are, are read, ordered off, and read again until every one reads
 * off twice in the same pass after a command, or the level's deadline is over (S4, core/levels.ts). It can be entered at any point by
 * any coordinator, as often as need be: a second power-off command does nothing to a machine that is off.
 */
import type { DeviceStanding } from '../../core/device-trust.ts';
import { levelStanding } from '../../core/device-trust.ts';
import { levelOutcome, offApartMs } from '../../core/levels.ts';
import type { DeviceStep } from '../../core/levels.ts';
import type { FenceDevice } from '../../records/device.ts';
import { whereIs } from '../../records/device.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { TimedReading, Touched } from './before-command.ts';
import { mayShoot, readTimed, recordSilence, touch } from './before-command.ts';
import { confirmOff } from './confirm-off.ts';
import type { FenceFile } from './fence-file.ts';
import type { Handled } from './handled-device.ts';
import { identify, isIdentified, nextStep, notHandledYet, noteFault, orderOff, suspectsOf } from './handled-device.ts';
import type { LevelOutcome } from './level-outcome.ts';
import type { LastSign } from './life-sign.ts';
import { beatsWatched, readSign } from './life-sign.ts';

/** Null: the fence was given up because it is not ours any more (lock lost, duties over, stepped down). */
export async function powerLevel(
  context: Context,
  target: string,
  level: string,
  devices: readonly FenceDevice[],
  file: FenceFile,
): Promise<LevelOutcome | null> {
  const places = devices.map((device) => ({ device: device.name, where: whereIs(device) }));
  const standings = await context.devices.standings(target, places, file.record.deviceIsRight !== null);
  const { use, because } = levelStanding([...standings.values()]);
  if (use === 'never') return { off: false, because: `level ${level} is not used: ${because}` };
  const deviceIsRight = file.record.deviceIsRight !== null;
  const unknown: DeviceStanding = { use: 'never', needsOn: true, because: 'nothing is known of it' };
  const handled = devices.map((device, index) => {
    const place = places[index] ?? { device: device.name, where: '' };
    return notHandledYet(device, place, standings.get(device.name) ?? unknown, !deviceIsRight);
  });
  context.devices.heardOf(file.record.id, target, file.record);
  const outcome = await handleAll(context, target, level, handled, file);
  file.ordered = handled.filter(({ requests }) => requests > 0).map(({ device }) => device);
  // While the lock is surely ours nobody else has switched anything yet: no order of ours came after theirs.
  if (outcome === null && !mayShoot(context, file)) file.mayStrikeLate = file.ordered;
  const noted = noteObedience(context, target, handled, outcome);
  // A failure counts for who tries next; a success waits for nothing.
  if (outcome?.off !== false) return outcome;
  await noted;
  return { ...outcome, unanswered: suspectsOf(context, handled).unanswered };
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
  // An earlier fencer, or attempt, may have sent a command: then nothing of this attempt says that none was taken.
  const wasTouched = file.record.commanded;
  const signAtStart = wasTouched && file.ordered.length === 0 ? await readSign(context, target) : null;
  let isNoted = false;
  let readOff: SeenOff | null = null;
  for (;;) {
    if (!file.lockStands() || duties.aborted || board.steppedDown !== null) return null;
    const answers = await Promise.all(handled.map((one) => ask(context, target, one)));
    const foreign = await noteForeign(context, target, answers);
    if (foreign !== null) return { off: false, because: `level ${level} is not used: ${foreign}` };
    const steps = answers.map(({ one, reading }): DeviceStep => {
      noteFault(one, reading, devices.length > 1, file);
      const next = nextStep(context, one, reading, { startMs, deadlineMs });
      return { device: one.device.name, next };
    });
    const suspects = suspectsOf(context, handled);
    await recordSilence(file, suspects);
    const next = levelOutcome(steps);
    if (next.step === 'confirm' && handled.every(isIdentified)) {
      if (!isNoted) file.note('power reads off', next.because);
      isNoted = true;
      const confirmed = await confirmOff(context, target, level, file, handled);
      if (confirmed === null || 'off' in confirmed) return confirmed;
      if (env.clock.monotonicMs() - startMs >= deadlineMs)
        return { off: false, because: `level ${level}: power reads off, which is not believed: ${confirmed.doubt}` };
      continue;
    }
    if (next.step === 'confirm' && env.clock.monotonicMs() - startMs >= deadlineMs)
      return { off: false, because: `level ${level}: power reads off, and its BMC does not say whose it is` };
    if (next.step === 'give-up') {
      if (readOff === null && isOrderedOff(handled, answers)) readOff = await signAt(context, target);
      const isSilent =
        readOff !== null && env.clock.monotonicMs() - readOff.atMs >= beatsWatched * readOff.sign.intervalMs;
      // What reads off after an order is not given up at once, or nobody could say whether keepalives of before or after it were seen.
      if (readOff !== null && !isSilent) {
        await env.clock.sleep(untilNextReadingMs(context, handled), duties);
        continue;
      }
      const { incarnation, sequence } = readOff?.sign ?? { incarnation: null, sequence: null };
      const signAtOff = isSilent ? { incarnation, sequence } : null;
      return { off: false, because: `level ${level}: ${next.because}`, signAtOff };
    }
    if (readOff === null && isOrderedOff(handled, answers)) readOff = await signAt(context, target);
    if (next.step === 'request-off' && handled.every(isIdentified) && mayShoot(context, file)) {
      const isNoneTaken = handled.every(({ takenAtMs }) => takenAtMs === null);
      const awake = isNoneTaken && signAtStart !== null ? await wokeUp(context, target, file, signAtStart) : null;
      const touched = awake ?? (await touch(context, target, file, !wasTouched && isNoneTaken, suspects));
      if (touched.answer === 'lost') return null;
      if (touched.answer === 'alive') return { off: 'alive', because: touched.because };
      if (touched.answer === 'go' && mayShoot(context, file)) {
        const due = handled.filter((_, index) => steps[index]?.next.step === 'request-off');
        await Promise.all(due.map((one) => orderOff(context, one, devices.length > 1, file)));
        continue; // read at once: most devices are quick
      }
    }
    await env.clock.sleep(untilNextReadingMs(context, handled), duties);
  }
}

/** A reading that begins too soon after the first "off" proves nothing (S4), and a slow BMC takes seconds for each. */
function untilNextReadingMs({ env, config }: Context, handled: readonly Handled[]): number {
  const nowMs = env.clock.monotonicMs();
  const apartMs = handled.map(({ offSinceMs }) => (offSinceMs === null ? 0 : offSinceMs + offApartMs - nowMs));
  return Math.max(config.fencing.pollInterval, ...apartMs);
}

/** The last sign of life, as it stood when power first read off after an order. */
interface SeenOff {
  readonly sign: LastSign;
  readonly atMs: number;
}

async function signAt(context: Context, target: string): Promise<SeenOff | null> {
  const sign = await readSign(context, target);
  return sign === null ? null : { sign, atMs: context.env.clock.monotonicMs() };
}

function isOrderedOff(handled: readonly Handled[], answers: readonly Answer[]): boolean {
  return handled.every(({ requests }) => requests > 0) && answers.every(({ reading }) => reading.power === 'off');
}

/**
 * An earlier fencer sent a command, and this attempt none that was taken. A node that has published since the attempt began shows that
 * the earlier one was not taken either, as when the fence is gone on with (resume.ts). Null: it has not, or its operator waits for it.
 */
async function wokeUp(
  context: Context,
  target: string,
  { record }: FenceFile,
  before: LastSign,
): Promise<Touched | null> {
  const sign = await readSign(context, target);
  if (sign === null) return { answer: 'wait' };
  const isSame = sign.incarnation === before.incarnation && sign.sequence === before.sequence;
  if (sign.incarnation === null || isSame) return null;
  const request = record.rounds === 0 ? record.requestId : null;
  if (request !== null) {
    const read = await context.env.store.read(`${tree.requests}/${request}`);
    if (read.ok) return null;
    if (read.code !== 'no-node') return { answer: 'wait' };
  }
  const because = `keepalives of ${target} resumed, so that no command of an earlier attempt was taken: fence cancelled, nothing was recovered`;
  return { answer: 'alive', because };
}

/** What a device said in one pass. */
interface Answer {
  readonly one: Handled;
  readonly reading: TimedReading;
  /** Why it is not the target's own device; null: nothing says so. */
  readonly foreign: string | null;
}

async function ask(context: Context, target: string, one: Handled): Promise<Answer> {
  const reading = readTimed(context, one.device);
  const foreign = identify(context, target, one);
  return { one, reading: await reading, foreign: await foreign };
}

/** Tells of devices that are another machine's, each with why; the first of them as a sentence, null: there are none. */
async function noteForeign({ devices }: Context, target: string, answers: readonly Answer[]): Promise<string | null> {
  for (const { one, foreign } of answers)
    if (foreign !== null) await devices.tell(target, one.place, { news: 'other-machine', because: foreign });
  return answers.find(({ foreign }) => foreign !== null)?.foreign ?? null;
}

/** What the attempt says of its devices: that they obey, or that a command was taken and power still reads on. */
async function noteObedience(
  { devices }: Context,
  target: string,
  handled: readonly Handled[],
  outcome: LevelOutcome | null,
): Promise<void> {
  if (outcome === null || outcome.off === 'alive') return;
  for (const { place, answered, lastReading } of handled) {
    if (outcome.off) await devices.tell(target, place, { news: 'obeyed' });
    else if (answered > 0 && lastReading === 'on')
      await devices.tell(target, place, { news: 'disobeyed', commands: answered });
  }
}
