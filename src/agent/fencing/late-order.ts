/**
 * An order that struck late. Whoever stands still with an order under way (its machine frozen, its ipmitool not scheduled) loses the
 * fence to another coordinator, which switches the node off and on again; then the old order arrives, and switches off a
 * node that has just come back. Nobody can call it back, and nobody else knows of it: who sent it makes good for it. Found
 * by random stories (scenario `order-that-strikes-late`).
 */
import { isUnderWay } from '../../core/fencing.ts';
import type { FenceDevice } from '../../records/device.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { whyPaused } from '../maintenance.ts';
import { ownDevices } from './devices.ts';
import { readFence } from './fence-file.ts';
import type { FenceFile } from './fence-file.ts';
import { readSign } from './life-sign.ts';

/** The store is found again within this, or somebody else's turn has come. */
const findMs = 60_000;
/** The step of a restore that worked (restore.ts). */
export const wasOnAgain = 'power reads on';
/** A BMC takes its time between the order and what it reads. */
const watchMs = 10_000;

/**
 * To be called when `file` was lost with an order under way; goes on when the duties end, as long as the keepalive does. The node's newest
 * fence counts, whichever it is: one that is under way is left to whoever holds it. When it is over and the node reads off, the node is
 * powered on again if that fence had powered it on and it has not been back since. Nothing is powered on in a maintenance, for hands
 * may be inside the machine. Whoever powers nothing on tells it, unless observers will condemn the node by its silence. Never throws.
 */
export async function amendLateOrder(context: Context, target: string, file: FenceFile): Promise<void> {
  const { env, config, life } = context;
  const endMs = env.clock.monotonicMs() + findMs;
  let untilMs: number | null = null;
  while (!life.aborted && env.clock.monotonicMs() < (untilMs ?? endMs)) {
    const isThere = env.store.session().state === 'connected';
    const fence = isThere ? await readFence(context, target) : null;
    if (fence !== null && isUnderWay(fence.record.state)) untilMs = null;
    else if (fence !== null) {
      if (isLeftOff(fence.record)) return;
      untilMs ??= env.clock.monotonicMs() + watchMs;
      const own = await ownDevices(context, target, file.mayStrikeLate, file.record.deviceIsRight !== null);
      const off = await readingOff(context, own);
      if (off.length > 0 && (await makeGood(context, target, off, fence))) return;
    }
    await env.clock.sleep(config.fencing.pollInterval, life);
  }
}

/** Off on purpose: by its action, by the loop guard; or a person has said that it is off, and will power it on. */
function isLeftOff({ state, level, steps }: FenceRecord): boolean {
  return state === 'finished' && (level === 'manual' || !steps.some(({ what }) => what === wasOnAgain));
}

async function readingOff({ env }: Context, devices: readonly FenceDevice[]): Promise<FenceDevice[]> {
  const powers = await Promise.all(devices.map((device) => env.power.read(device, device.commandTimeoutMs)));
  return devices.filter((_, at) => powers[at]?.power === 'off');
}

/** False: another fence has begun since `fence` was read; to power the node on would take back what that one has switched off (S4). */
async function makeGood(
  context: Context,
  target: string,
  off: readonly FenceDevice[],
  { record: { id: fenceId, state }, version }: { readonly record: FenceRecord; readonly version: number },
): Promise<boolean> {
  const { env, history, self } = context;
  const late = `${target} reads off although its fence is over: an order of ${self.name} was under way when it lost the fence, and may have struck late`;
  const pause = await whyPaused(context, target);
  if (pause === null && state === 'finished') {
    const stands = await env.store.commit([{ kind: 'check', path: tree.fence(target), version }]);
    if (!stands.ok) return false;
    history.happened('power-on', `${late}; it is powered on again`, { node: target, fenceId });
    await Promise.all(off.map((device) => env.power.order(device, 'on', device.commandTimeoutMs)));
    return true;
  }
  const left = pause ?? (await whyNotCondemned(context, target));
  if (left === null) return true;
  const because = `${late}; ${left}, so it is not powered on: power it on if nobody switched it off on purpose`;
  history.happened('never-came-up', because, { node: target, fenceId });
  return true;
}

/** Why no observer will have it fenced for its silence; null: they will, or it is no node any more. */
async function whyNotCondemned(context: Context, target: string): Promise<string | null> {
  const sign = await readSign(context, target);
  if (sign === null) return 'whether its noded had stopped cannot be read';
  if (sign.state === 'stop') return 'its noded had stopped';
  if (sign.version !== null && sign.incarnation === null) return 'its keepalive cannot be read';
  return context.config.fencing.enabled ? null : 'fencing is switched off in the configuration';
}
