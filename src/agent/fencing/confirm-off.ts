/**
 * Power reads off after a command: whether that is believed (S4). The node's keepalives and what is known of its devices are
 * read once more, and while that cannot be read nothing is believed.
 */
import { levelStanding } from '../../core/device-trust.ts';
import { offIsCredible } from '../../core/levels.ts';
import type { Context } from '../context.ts';
import { readTimed } from './before-command.ts';
import type { FenceFile } from './fence-file.ts';
import { offDoubt } from './handled-device.ts';
import type { Handled } from './handled-device.ts';
import type { LevelOutcome } from './level-outcome.ts';
import { beatsWatched, signWhileLocked } from './life-sign.ts';

/** A doubt: it has to be read, and ordered off, once more. Null: the fence is not ours any more. */
export async function confirmOff(
  context: Context,
  target: string,
  level: string,
  file: FenceFile,
  handled: readonly Handled[],
): Promise<LevelOutcome | { readonly doubt: string } | null> {
  const { env, config, history, duties } = context;
  let confirmedWallMs = env.clock.wallMs();
  const atIntent = { incarnation: file.record.incarnation, sequence: file.record.sequence };
  let sign = await signWhileLocked(context, target, file);
  if (sign === null) return null;
  const wasSilent = file.record.requestId === null;
  let answer = offIsCredible(wasSilent, atIntent, sign, null);
  if (answer.answer === 'look-again') {
    file.note('watching keepalives', answer.because);
    await env.clock.sleep(Math.round(sign.intervalMs * beatsWatched), duties);
    const second = await signWhileLocked(context, target, file);
    if (second === null) return null;
    answer = offIsCredible(wasSilent, atIntent, sign, second);
    sign = second;
    // Somebody may have powered it on meanwhile.
    const readings = await Promise.all(handled.map(({ device }) => readTimed(context, device)));
    if (answer.answer !== 'wrong-state' && readings.some(({ power }) => power === 'on')) {
      for (const one of handled) one.offSinceMs = null;
      return { doubt: 'it reads on again' };
    }
    confirmedWallMs = env.clock.wallMs();
  }
  if (answer.answer === 'wrong-state') {
    history.happened('bmc-lies', `${target}: ${answer.because}`, { node: target, fenceId: file.record.id });
    for (const { place } of handled) await context.devices.tell(target, place, { news: 'wrong-state' });
    return { off: false, because: `level ${level}: ${answer.because}` };
  }
  const places = handled.map(({ place }) => place);
  const standings = await context.devices.standings(target, places, file.record.deviceIsRight !== null);
  for (const one of handled) one.standing = standings.get(one.place.device) ?? one.standing;
  const now = levelStanding(handled.map(({ standing }) => standing));
  // What others met of them stands in what was just read.
  const doubts = handled.map((one) => offDoubt(one, context.devices.unsettledBecause(one.device)));
  const doubt = doubts.find((found) => found !== null);
  if (now.use === 'never' || doubt !== undefined) {
    await env.clock.sleep(config.fencing.pollInterval, duties);
    return { doubt: doubt ?? now.because };
  }
  return {
    off: true,
    confirmedWallMs,
    because: 'power was read as off twice, after the command',
    signVersion: sign.version,
  };
}
