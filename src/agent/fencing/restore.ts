/** Power on again after the fence is recorded. F3: whatever happens here undoes nothing. */
import { inWords } from '../../core/decision.ts';
import { afterFenced } from '../../core/fencing.ts';
import { triableLevels } from '../../core/levels.ts';
import type { FenceDevice } from '../../records/device.ts';
import type { Context } from '../context.ts';
import { whyPaused } from '../maintenance.ts';
import type { Peers } from '../peers.ts';
import { devicesOf, ownDevices } from './devices.ts';
import type { FenceFile } from './fence-file.ts';
import { wordWaits } from './fence-requests.ts';
import { wasOnAgain } from './late-order.ts';
import { readSign } from './life-sign.ts';
import { mayShoot } from './before-command.ts';

/** How long power may take to read on before the restore is called failed. */
const powerOnDeadlineMs = 30_000;

export async function restore(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  const { config, history, env } = context;
  const fenceId = file.record.id;
  const level = file.record.level ?? '';
  if (file.record.state === 'fenced') {
    const keptOff = level === 'manual' ? null : await whyKeptOff(context, target, file);
    const decision = afterFenced({
      keptOff,
      action: file.record.action,
      level,
      fencesInLastHour: file.record.recentWallMs.length,
      maxFencesPerHour: config.fencing.maxFencesPerHour,
    });
    if (level === 'watchdog' && file.record.action === 'reboot' && keptOff === null)
      await orderOnWhatReadsOff(context, peers, target, file);
    file.note(decision.event === 'leaveOff' ? 'stays off' : 'power on', decision.because);
    const moved = await file.move(decision.event, {}, [], true);
    if (!moved.ok || decision.event === 'leaveOff') {
      if (moved.ok)
        history.happened('fence-step', `${target} is not powered on: ${decision.because}`, { node: target, fenceId });
      return;
    }
  }
  if (file.record.state !== 'restoring') return;
  const devices = devicesOf(env.secrets, peers.get(target), target, level);
  const isRight = file.record.deviceIsRight !== null;
  const own = devices.ok ? await ownDevices(context, target, devices.value, isRight) : [];
  const on = devices.ok
    ? own.length < devices.value.length
      ? { on: false, because: `level ${level} is not used any more: nodectl fence-check ${target}` }
      : await powerOn(context, target, own, file)
    : { on: false, because: `level ${level}: ${devices.because}` };
  if (on === null) return;
  file.note(on.on ? wasOnAgain : 'power on failed', on.because);
  const moved = await file.move(on.on ? 'powerReadsOn' : 'powerOnFailed', {}, [], true);
  if (moved.ok || moved.code === 'bad-version') {
    // bad-version: the node was faster than we and has closed the record itself
    const text = on.on
      ? `${target} is powered on again`
      : `${target} could not be powered on: ${on.because}; the fence stands`;
    history.happened('power-on', text, { node: target, fenceId });
  }
}

/**
 * Why it is not powered on just now; null: it may be. With hands inside the machine, its power is not switched on behind them; nor behind the
 * person who is just saying that it is off; and a record of an old copy of the store knows nothing of a stop since. Unless an operator asked
 * for just this fence.
 */
async function whyKeptOff(context: Context, target: string, file: FenceFile): Promise<string | null> {
  if (await wordWaits(context, target)) return 'a person says that it is off, and will power it on';
  if (file.record.requestId !== null) return null;
  const paused = await whyPaused(context, target);
  if (paused !== null) return paused;
  const sign = await readSign(context, target);
  return sign?.hasStoppedSince === true ? 'its noded has stopped cleanly since' : null;
}

/**
 * A watchdog resets, and the machine comes back by itself; unless a device that was not believed has obeyed an earlier order. To
 * order power on does no harm whatever the device is worth, so what reads off is ordered on, once.
 */
async function orderOnWhatReadsOff(context: Context, peers: Peers, target: string, file: FenceFile): Promise<void> {
  const { env } = context;
  const registration = peers.get(target);
  for (const level of triableLevels(registration?.levels ?? []).filter((name) => name !== 'watchdog')) {
    const devices = devicesOf(env.secrets, registration, target, level);
    const own = devices.ok ? await ownDevices(context, target, devices.value, file.record.deviceIsRight !== null) : [];
    for (const device of own) {
      const reading = await env.power.read(device, device.commandTimeoutMs);
      if (reading.power !== 'off' || !mayShoot(context, file) || (await whyKeptOff(context, target, file)) !== null)
        continue;
      const answer = await env.power.order(device, 'on', device.commandTimeoutMs);
      file.note('power on ordered', `${device.name} reads off; ${answer.because} (${inWords(answer.tookMs)})`);
    }
  }
}

/** All devices of the level, until every one reads on. */
async function powerOn(
  context: Context,
  target: string,
  devices: readonly FenceDevice[],
  file: FenceFile,
): Promise<{ on: boolean; because: string } | null> {
  const { env, config, duties } = context;
  const startMs = env.clock.monotonicMs();
  const orderedAtMs = new Map<string, number>();
  let because = 'not tried';
  let keptOff: string | null = null;
  while (env.clock.monotonicMs() - startMs < powerOnDeadlineMs) {
    if (!file.lockStands() || duties.aborted) return null;
    const readings = await Promise.all(
      devices.map(async (device) => ({ device, ...(await env.power.read(device, device.commandTimeoutMs)) })),
    );
    const notOn = readings.filter((reading) => reading.power !== 'on');
    if (notOn.length === 0)
      return {
        on: true,
        because: orderedAtMs.size === 0 ? 'power already read on' : 'power read on after it was ordered on',
      };
    because = notOn.map((reading) => reading.because).join('; ');
    const nowMs = env.clock.monotonicMs();
    const due = notOn.filter(
      ({ device }) => nowMs - (orderedAtMs.get(device.name) ?? -Infinity) >= config.fencing.repeatOrder,
    );
    let isOrdered = false;
    for (const { device } of due) {
      keptOff = await whyKeptOff(context, target, file);
      if (keptOff !== null || !mayShoot(context, file)) break;
      orderedAtMs.set(device.name, nowMs);
      const answer = await env.power.order(device, 'on', device.commandTimeoutMs);
      file.note(
        answer.accepted ? 'power on ordered' : 'power on not taken',
        `${answer.because} (${inWords(answer.tookMs)})`,
      );
      isOrdered = true;
    }
    if (!isOrdered) await env.clock.sleep(config.fencing.pollInterval, duties);
  }
  return { on: false, because: keptOff ?? `power does not read on within ${inWords(powerOnDeadlineMs)}: ${because}` };
}
