/**
 * An order that struck late. Whoever stands still with an order under way (its machine frozen, its ipmitool not scheduled) loses the
 * fence to another coordinator, which switches the node off and on again; then the old order arrives, and switches off a
 * node that has just come back. Nobody can call it back, and nobody else knows of it: who sent it makes good for it. Found
 * by random stories (scenario `order-that-strikes-late`).
 */
import type { FenceDevice } from '../../records/device.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { ownDevices } from './devices.ts';
import { readFence } from './fence-file.ts';
import type { FenceFile } from './fence-file.ts';

/** The store is found again within this, or somebody else's turn has come. */
const findMs = 60_000;
/** The step of a restore that worked (restore.ts). */
export const wasOnAgain = 'power reads on';
/** A BMC takes its time between the order and what it reads. */
const watchMs = 10_000;

/**
 * To be called when `file` was lost with an order under way; goes on when the duties end, as long as the keepalive does. Powers
 * the node on again if its fence is over, it had been powered on, and it reads off now; a fence that goes on, or a newer one, is
 * left to whoever holds it. A node that has lived since and is silent is condemned again by those who observe it; one whose noded has
 * stopped is nobody's, and a person may have switched it off: that is told. Never throws.
 */
export async function amendLateOrder(context: Context, target: string, file: FenceFile): Promise<void> {
  const { env, config, life } = context;
  const endMs = env.clock.monotonicMs() + findMs;
  let untilMs: number | null = null;
  while (!life.aborted && env.clock.monotonicMs() < (untilMs ?? endMs)) {
    const isThere = env.store.session().state === 'connected';
    const fence = isThere ? await readFence(context, target) : null;
    if (fence !== null) {
      const { id, state, steps, level } = fence.record;
      if (id !== file.record.id) return;
      if (level === 'manual') return; // a person has said that it is off, and will power it on
      const hasLived = state === 'closed' || state === 'cancelled';
      if (hasLived || state === 'finished') {
        // Who was left off on purpose (its action, the loop guard) stays off.
        if (!hasLived && !steps.some(({ what }) => what === wasOnAgain)) return;
        untilMs ??= env.clock.monotonicMs() + watchMs;
        const own = await ownDevices(context, target, file.mayStrikeLate, file.record.deviceIsRight !== null);
        const off = await readingOff(context, own);
        if (off.length > 0) return hasLived ? tellIfStopped(context, target, id) : orderOn(context, target, off, id);
      }
    }
    await env.clock.sleep(config.fencing.pollInterval, life);
  }
}

async function readingOff({ env }: Context, devices: readonly FenceDevice[]): Promise<FenceDevice[]> {
  const powers = await Promise.all(devices.map((device) => env.power.read(device, device.commandTimeoutMs)));
  return devices.filter((_, at) => powers[at]?.power === 'off');
}

function lateInWords(target: string, self: string): string {
  return `${target} reads off although its fence is over: an order of ${self} was under way when it lost the fence, and may have struck late`;
}

async function orderOn(
  { env, history, self }: Context,
  target: string,
  off: readonly FenceDevice[],
  fenceId: string,
): Promise<void> {
  const because = `${lateInWords(target, self.name)}; it is powered on again`;
  history.happened('power-on', because, { node: target, fenceId });
  await Promise.all(off.map((device) => env.power.order(device, 'on', device.commandTimeoutMs)));
}

async function tellIfStopped({ env, history, self }: Context, target: string, fenceId: string): Promise<void> {
  const read = await env.store.read(tree.keepalive(target));
  const parsed = read.ok ? parseRecord(Keepalive, read.text) : null;
  if (parsed?.ok !== true || parsed.record.state !== 'stop') return;
  const because = `${lateInWords(target, self.name)}; its noded had stopped, so it is not powered on: power it on if nobody switched it off on purpose`;
  history.happened('never-came-up', because, { node: target, fenceId });
}
