/**
 * The VMs of a node that is certainly off: its fence is recorded, and it has no power yet (S2). All of them are placed in one
 * plan; each is given away in one transaction that rests on the fence's lock and record. Whoever resumes the fence does the
 * same again: what was given away already is not there any more. The storage is told first, if it has to be (R30): until then
 * nothing is given away.
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import type { Placed } from '../../core/placement.ts';
import { placeAll } from '../../core/placement.ts';
import { runningStates } from '../../core/vm.ts';
import type { Context } from '../context.ts';
import type { FenceFile } from '../fencing/fence-file.ts';
import { readFence } from '../fencing/fence-file.ts';
import type { Peers } from '../peers.ts';
import { surveyNodes } from './capacity.ts';
import { readAllVms } from './desk.ts';
import { lockRemoval } from './guest-lock.ts';
import type { VmChanges, VmFile } from './vm-file.ts';
import { moveVm } from './vm-file.ts';

const retryMs = 100;
/** Between two tries to cut the node from the storage. */
const storageRetryMs = 1000;
/** VMs given away at the same time. */
const atOnce = 16;

/** Then the node is powered on again all the same: what is left is still its own, and it starts it when it is back. */
const recoverMaxMs = 60_000;

/** Insists while the store is away, as long as the fence's lock stands. */
export async function recoverVms(context: Context, peers: Peers, target: string, fence: FenceFile): Promise<void> {
  const { env, duties, history } = context;
  const endMs = env.clock.monotonicMs() + recoverMaxMs;
  let left: VmFile[] = [];
  let why = 'the store does not answer, or others change their records';
  let isCutOff = env.storageFence === null;
  while (fence.lockStands() && !duties.aborted) {
    const all = await readAllVms(context);
    if (all !== null) {
      left = all.filter(({ record }) => record.node === target && (record.active || isWanted(record)));
      if (left.length === 0) return;
      if (!isCutOff) {
        const done = await cutFromStorage(context, target, fence);
        isCutOff = done.ok;
        if (why !== done.because) fence.note('storage', done.because);
        why = done.because;
        if (isCutOff) continue; // that took its time: the records are read again
      } else if (await giveAllAway(context, peers, target, fence, all, left)) continue; // and look whether that was all
    }
    if (env.clock.monotonicMs() > endMs) break;
    await env.clock.sleep(isCutOff ? retryMs : storageRetryMs, duties);
  }
  const names = left.map(({ record }) => record.name).join(', ');
  const because = `${names} could not be given away: ${why}; ${target} starts them when it is back`;
  if (names !== '' && fence.lockStands()) history.happened('vm-failed', because, { node: target });
}

async function cutFromStorage(
  { env }: Context,
  node: string,
  fence: FenceFile,
): Promise<{ ok: boolean; because: string }> {
  const done = await env.storageFence?.cutOff({ node, fenceId: fence.record.id });
  return done?.ok === true
    ? { ok: true, because: `${node} is cut off from the storage` }
    : { ok: false, because: `${node} could not be cut off from the storage: ${done?.because ?? ''}` };
}

/** True when each was given away. */
async function giveAllAway(
  context: Context,
  peers: Peers,
  target: string,
  fence: FenceFile,
  all: readonly VmFile[],
  left: readonly VmFile[],
): Promise<boolean> {
  const records = all.map(({ record }) => record);
  const nodes = await surveyNodes(context, peers, records);
  const onTheirWay = new Set<VmFile>();
  for (const file of left) if (await mayHaveArrived(context, file)) onTheirWay.add(file);
  const wanted = left.filter((file) => isWanted(file.record) && !onTheirWay.has(file)).map(({ record }) => record);
  const plan = placeAll(wanted, nodes, target);
  const queue = [...left];
  let isDone = true;
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const to = onTheirWay.has(next) ? (next.record.move?.target ?? null) : null;
      const given = await giveAway(context, target, fence, next, to, plan.get(next.record.name) ?? null);
      isDone = isDone && given;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return isDone;
}

function isWanted({ state }: VmFile['record']): boolean {
  return runningStates.includes(state);
}

/**
 * In the middle of a live migration it may run on the other side: that side looks first, and starts it if it does not. Unless
 * the life of the target that was to take it in is certainly over too.
 */
async function mayHaveArrived(context: Context, { record: { move } }: VmFile): Promise<boolean> {
  if (move?.phase !== 'moving' || move.target === null) return false;
  const fence = await readFence(context, move.target);
  const isOver =
    fence !== null && isConfirmedOff(fence.record.state) && fence.record.incarnation === move.targetIncarnation;
  return !isOver;
}

async function giveAway(
  context: Context,
  target: string,
  fence: FenceFile,
  file: VmFile,
  onItsWayTo: string | null,
  placed: Placed | null,
): Promise<boolean> {
  const { record } = file;
  const unlock = await lockRemoval(context, record.uuid, target);
  if (unlock === null) return false;
  const also = [...fence.stands(), ...unlock];
  const over = { active: false, move: null, lastMove: lastMoveOf(file, target) };
  const cameFrom = record.cameFrom ?? target;
  const give = async (event: 'recovered' | 'stranded', because: string, changes: VmChanges) =>
    (await moveVm(context, file, event, because, { ...over, ...changes }, also)) !== null;
  if (onItsWayTo !== null) {
    const because = `${target} is off; it was on its way to ${onItsWayTo}, which looks first whether it has arrived`;
    return give('recovered', because, { node: onItsWayTo, active: true, cameFrom });
  }
  if (!isWanted(record)) return give('recovered', `${target} is off, and so is it`, {});
  if (placed?.node != null) {
    const because = `${target} is off; it starts on ${placed.node}: ${placed.because}`;
    return give('recovered', because, { node: placed.node, cameFrom });
  }
  const because = `${target} is off, and no node takes it: ${placed?.because ?? ''}; it starts when ${target} is back`;
  return give('stranded', because, { stranded: true, autostart: true });
}

function lastMoveOf({ record }: VmFile, target: string): VmFile['record']['lastMove'] {
  if (record.move === null) return record.lastMove;
  return { id: record.move.id, ok: false, because: `${target} was fenced in the middle of it` };
}
