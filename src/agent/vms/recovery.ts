/**
 * The VMs of a node that is certainly off: its fence is recorded, and it has no power yet (S2). All of them are placed in one
 * plan; each is given away in one transaction that rests on the fence's lock and record. Whoever resumes the fence does the
 * same again: what was given away already is not there any more. The storage is told first, if it has to be: until then
 * nothing is given away.
 */
import type { Placed } from '../../core/placement.ts';
import { placeAll } from '../../core/placement.ts';
import { runningStates } from '../../core/vm.ts';
import type { Operation } from '../../environment/store.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { FenceFile } from '../fencing/fence-file.ts';
import { readFence } from '../fencing/fence-file.ts';
import type { Peers } from '../peers.ts';
import { vmRecordsAreOld } from '../recent-restore.ts';
import { surveyNodes } from './capacity.ts';
import { readAllVms } from './desk.ts';
import { lockRemoval } from './guest-lock.ts';
import { endsMovedGuest } from './guests-ended.ts';
import type { VmChanges, VmFile } from './vm-file.ts';
import { moveVm } from './vm-file.ts';

const retryMs = 100;
/** Between two tries to cut the node from the storage. */
const storageRetryMs = 1000;
/** VMs given away at the same time. */
const atOnce = 16;

/** Then the node is powered on again all the same: what is left is still its own, and it starts it when it is back. */
const recoverMaxMs = 60_000;

/** Insists while the store is away, as long as the fence's lock and record stand. */
export async function recoverVms(context: Context, peers: Peers, target: string, fence: FenceFile): Promise<void> {
  const { env, duties, history } = context;
  const endMs = env.clock.monotonicMs() + recoverMaxMs;
  let left: VmFile[] = [];
  let why = 'the store does not answer, or others change their records';
  let isCutOff = env.storageFence === null;
  const isByWatchdog = fence.record.level === 'watchdog';
  if (isByWatchdog) why = 'the bound of a watchdog says nothing of guests';
  while (fence.lockStands() && !duties.aborted) {
    const all = await readAllVms(context);
    if (all !== null) {
      left = all.filter(({ record }) => isLeftOn(record, target));
      if (left.length === 0) return;
      if (isByWatchdog) break;
      if (!isCutOff) {
        if (await fence.hasMoved()) return; // it may be back, and would be cut off alive
        const done = await cutFromStorage(context, target, fence);
        isCutOff = done.ok;
        if (why !== done.because) fence.note('storage', done.because);
        why = done.because;
        if (isCutOff) continue; // that took its time: the records are read again
      } else if (await giveInTurn(context, peers, target, fence, all)) continue; // and look whether that was all
      if (await fence.hasMoved()) return;
    }
    if (env.clock.monotonicMs() > endMs) break;
    await env.clock.sleep(isCutOff ? retryMs : storageRetryMs, duties);
  }
  const names = left.map(({ record }) => record.name).join(', ');
  const because = `${names} could not be given away: ${why}; ${target} starts them when it is back`;
  if (names !== '' && fence.lockStands()) history.happened('vm-failed', because, { node: target });
}

/**
 * Two nodes that are off are recovered side by side, perhaps by two fencers, each with its own plan. VMs that are kept apart are
 * therefore given away one at a time in the whole cluster: each transaction writes `/vms` by the version that was read before the
 * records were, so that a plan which does not know of the last one fails, and is made anew (S2).
 */
interface Turn {
  version: number;
}

/** The write that only one plan can make. */
function stamp(turn: Turn | null): Operation[] {
  if (turn === null) return [];
  const { version } = turn;
  turn.version += 1; // as it is after this write
  return [{ kind: 'write', path: tree.vms, text: '', version }];
}

async function giveInTurn(
  context: Context,
  peers: Peers,
  target: string,
  fence: FenceFile,
  all: readonly VmFile[],
): Promise<boolean> {
  const isApart = all.some(({ record }) => record.node === target && record.antiAffinity.length > 0);
  if (!isApart) return giveAllAway(context, peers, target, fence, all, null);
  const read = await context.env.store.read(tree.vms);
  const again = read.ok ? await readAllVms(context) : null;
  if (!read.ok || again === null) return false;
  return giveAllAway(context, peers, target, fence, again, { version: read.version });
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
  turn: Turn | null,
): Promise<boolean> {
  const left = all.filter(({ record }) => isLeftOn(record, target));
  const records = all.map(({ record }) => record);
  const nodes = await surveyNodes(context, peers, records);
  const onTheirWay = new Set<VmFile>();
  for (const file of left) if (await mayHaveArrived(context, file)) onTheirWay.add(file);
  const wanted = left.filter((file) => isWanted(file.record) && !onTheirWay.has(file)).map(({ record }) => record);
  const plan = placeAll(wanted, nodes, target);
  const give = (file: VmFile, also: readonly Operation[]) => {
    const to = onTheirWay.has(file) ? (file.record.move?.target ?? null) : null;
    return giveAway(context, target, [...fence.stands(), ...also], file, to, plan.get(file.record.name) ?? null);
  };
  const inTurn = turn === null ? [] : left.filter(({ record }) => record.antiAffinity.length > 0);
  for (const file of inTurn) if (!(await give(file, stamp(turn)))) return false;
  const queue = left.filter((file) => !inTurn.includes(file));
  let isDone = true;
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const given = await give(next, []);
      isDone = isDone && given;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return isDone;
}

/** It may run there, or shall. */
function isLeftOn(record: VmFile['record'], node: string): boolean {
  return record.node === node && (record.active || isWanted(record));
}

function isWanted({ state }: VmFile['record']): boolean {
  return runningStates.includes(state);
}

/**
 * In the middle of a live migration it may run on the other side: that side looks first, and starts it if it does not. Unless
 * what the target took in has certainly ended too.
 */
async function mayHaveArrived(context: Context, { record: { move } }: VmFile): Promise<boolean> {
  if (move?.phase !== 'moving' || move.target === null) return false;
  const fence = await readFence(context, move.target);
  return fence === null || !endsMovedGuest(context, fence.record, move);
}

async function giveAway(
  context: Context,
  target: string,
  stands: readonly Operation[],
  file: VmFile,
  onItsWayTo: string | null,
  placed: Placed | null,
): Promise<boolean> {
  const { record } = file;
  const unlock = await lockRemoval(context, record.uuid, target);
  if (unlock === null) return false;
  const also = [...stands, ...unlock];
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
    // The record may be of an old copy of ZooKeeper, and a guest of it run there already.
    const active = vmRecordsAreOld(context.board);
    return give('recovered', because, { node: placed.node, cameFrom, active });
  }
  const because = `${target} is off, and no node takes it: ${placed?.because ?? ''}; it starts when ${target} is back`;
  return give('stranded', because, { stranded: true, autostart: true });
}

function lastMoveOf({ record }: VmFile, target: string): VmFile['record']['lastMove'] {
  if (record.move === null) return record.lastMove;
  return { id: record.move.id, ok: false, because: `${target} was fenced in the middle of it` };
}
