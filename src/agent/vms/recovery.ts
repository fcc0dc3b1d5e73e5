/**
 * The VMs of a node that is certainly off: its fence is recorded, and it has no power yet (S2). All of them are placed in one
 * plan; each is given away in one transaction that rests on the fence's lock and record. Whoever resumes the fence does the
 * same again: what was given away already is not there any more.
 */
import type { Placed } from '../../core/placement.ts';
import { placeAll } from '../../core/placement.ts';
import { runningStates } from '../../core/vm.ts';
import type { Context } from '../context.ts';
import type { FenceFile } from '../fencing/fence-file.ts';
import type { Peers } from '../peers.ts';
import { surveyNodes } from './capacity.ts';
import { readAllVms } from './desk.ts';
import { lockRemoval } from './guest-lock.ts';
import type { VmFile } from './vm-file.ts';
import { moveVm } from './vm-file.ts';

const retryMs = 100;
/** VMs given away at the same time. */
const atOnce = 16;

/** Insists while the store is away, as long as the fence's lock stands. */
export async function recoverVms(context: Context, peers: Peers, target: string, fence: FenceFile): Promise<void> {
  const { env, duties } = context;
  while (fence.lockStands() && !duties.aborted) {
    const all = await readAllVms(context);
    const left = all?.filter(({ record }) => record.node === target && (record.active || isWanted(record)));
    if (left?.length === 0) return;
    if (all !== null && left !== undefined) {
      const nodes = await surveyNodes(
        context,
        peers,
        all.map(({ record }) => record),
      );
      const wanted = left.filter((file) => isWanted(file.record) && !mayBeOnTarget(file));
      const plan = placeAll(
        wanted.map(({ record }) => record),
        nodes,
        target,
      );
      const queue = [...left];
      const worker = async () => {
        for (let next = queue.shift(); next !== undefined; next = queue.shift())
          await giveAway(context, target, fence, next, plan.get(next.record.name) ?? null);
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      const after = await readAllVms(context);
      if (after?.every(({ record }) => record.node !== target || !(record.active || isWanted(record))) === true) return;
    }
    await env.clock.sleep(retryMs, duties);
  }
}

function isWanted({ state }: VmFile['record']): boolean {
  return runningStates.includes(state);
}

/** In the middle of a live migration it may run on the other side: that side looks first, and starts it if it does not. */
function mayBeOnTarget({ record }: VmFile): boolean {
  return record.move?.phase === 'moving' && record.move.target !== null;
}

async function giveAway(
  context: Context,
  target: string,
  fence: FenceFile,
  file: VmFile,
  placed: Placed | null,
): Promise<void> {
  const { record } = file;
  const unlock = await lockRemoval(context, record.uuid);
  if (unlock === null) return;
  const also = [...fence.stands(), ...unlock];
  const over = { active: false, move: null, lastMove: lastMoveOf(file, target) };
  const cameFrom = record.cameFrom ?? target;
  if (mayBeOnTarget(file)) {
    const to = record.move?.target ?? target;
    const because = `${target} is off; it was on its way to ${to}, which looks first whether it has arrived`;
    await moveVm(context, file, 'recovered', because, { ...over, node: to, active: true, cameFrom }, also);
  } else if (!isWanted(record)) {
    await moveVm(context, file, 'recovered', `${target} is off, and so is it`, over, also);
  } else if (placed?.node != null) {
    const because = `${target} is off; it starts on ${placed.node}: ${placed.because}`;
    await moveVm(context, file, 'recovered', because, { ...over, node: placed.node, cameFrom }, also);
  } else {
    const because = `${target} is off, and no node takes it: ${placed?.because ?? ''}; it starts when ${target} is back`;
    await moveVm(context, file, 'stranded', because, { ...over, stranded: true, autostart: true }, also);
  }
}

function lastMoveOf({ record }: VmFile, target: string): VmFile['record']['lastMove'] {
  if (record.move === null) return record.lastMove;
  return { id: record.move.id, ok: false, because: `${target} was fenced in the middle of it` };
}
