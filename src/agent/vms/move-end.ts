/**
 * How a move ends, as its home finds out and writes it: the guest is said to be on the other side only when this side has given
 * it up, and to have stayed only when it runs here, or nowhere. What becomes of a live migration that did not end well, by what both sides
 * show of the guest:
 *
 *   here                | there                     | the move
 *   off                 | known, whatever its state | it has arrived (and has perhaps ended there)
 *   off                 | not known, or fenced      | it starts again here
 *   runs, or crashed    |                           | it has not moved; what still moves it is called off
 *   paused by migration | known, not on its way     | it has arrived: this copy is switched off
 *   paused by migration | on its way                | waits
 *   paused by migration | not known, or fenced      | this copy is switched off; then as above
 *   any                 | does not answer           | waits
 */
import type { Guest } from '../../core/vm.ts';
import { isOnItsWay, keptAfterCrash } from '../../core/vm.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { Operation } from '../../environment/store.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { SessionHolder } from '../../records/registration.ts';
import { tree } from '../../records/tree.ts';
import type { VmMove } from '../../records/vm.ts';
import { VmProgress } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import { readFence } from '../fencing/fence-file.ts';
import { putRecord } from '../put-record.ts';
import { vmRecordsAreOld } from '../recent-restore.ts';
import { lockRemoval } from './guest-lock.ts';
import { endsMovedGuest } from './guests-ended.ts';
import { settlesWithinMs } from './left-paused.ts';
import { lookAt, shutGuest } from './shut-guest.ts';
import type { VmFile } from './vm-file.ts';
import { changeVm, moveVm, readVm } from './vm-file.ts';

/** Between two looks at a question that is still open. */
const lookMs = 500;

export class MoveEnd {
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;

  constructor(context: Context, hypervisor: Hypervisor) {
    this.context = context;
    this.hypervisor = hypervisor;
  }

  /** The very life of the target that got ready still has its session. */
  async isThere(move: VmMove, target: string): Promise<boolean> {
    const read = await this.context.env.store.read(tree.session(target));
    const holder = read.ok ? parseRecord(SessionHolder, read.text) : null;
    return holder?.ok === true && holder.record.incarnation === move.targetIncarnation;
  }

  /** Finds out what became of a live migration that did not end well, however long that takes. */
  async settle(file: VmFile, move: VmMove, because: string): Promise<void> {
    const { env, duties, history, self } = this.context;
    const { uuid, name } = file.record;
    const target = move.target ?? '?';
    let told = '';
    let pausedSinceMs: number | null = null;
    while (!duties.aborted) {
      const here = await lookAt(this.hypervisor, uuid);
      const nowMs = env.clock.monotonicMs();
      const isPaused = here !== 'off' && here !== 'unknown' && here.reason === 'migration';
      pausedSinceMs = isPaused ? (pausedSinceMs ?? nowMs) : null;
      if (here === 'off') {
        const there = await this.lookThere(move, uuid);
        if (there === 'arrived' || there === 'on its way') return this.arrived(file, move);
        if (there === 'not there')
          return this.stayed(file, move, `${because}; it is off on both sides and starts again here`);
      } else if (here !== 'unknown' && !isPaused) {
        // Nothing may go on moving it behind our back: a virsh of a former life of noded, for instance.
        const ended = await this.hypervisor.abortMigration(uuid);
        if (ended.ok && ended.value === 'none')
          return here.power === 'crashed'
            ? this.stayed(file, move, `${because}; ${keptAfterCrash}`)
            : this.notMoved(file, move, because);
      } else if (here !== 'unknown') {
        const there = await this.lookThere(move, uuid);
        if (there === 'arrived') {
          const ended = await this.hypervisor.switchOff(uuid); // its own copy, which has been left behind
          if (ended.ok && (await lookAt(this.hypervisor, uuid)) === 'off') return this.arrived(file, move);
        } else if (there === 'not there' && nowMs - (pausedSinceMs ?? nowMs) >= settlesWithinMs) {
          // Its copy may have run over there, and have ended: what this one remembers of its disks may be old.
          if ((await this.hypervisor.switchOff(uuid)).ok) await this.hypervisor.remove(uuid);
        }
      }
      const open = `whether ${name} runs on ${self.name} or on ${target} is not known yet: ${because}`;
      if (told !== open) history.happened('vm', open, { node: self.name, evidence: { vm: name, move: move.id } });
      told = open;
      await env.clock.sleep(lookMs, duties);
    }
  }

  /** The other side of a migration. A guest that is known there and off has arrived, and ended there. */
  private async lookThere(move: VmMove, uuid: string): Promise<'arrived' | 'on its way' | 'not there' | 'unknown'> {
    const there = await this.hypervisor.guestAt(move.address ?? '', uuid);
    if (!there.ok) return (await this.isOff(move, move.target ?? '?')) ? 'not there' : 'unknown';
    if (there.value === null) return 'not there';
    if (there.value.power === 'unknown') return 'unknown';
    return isOnItsWay(there.value) ? 'on its way' : 'arrived';
  }

  /** Whatever the target took in has certainly ended. */
  private async isOff(move: VmMove, target: string): Promise<boolean> {
    const fence = await readFence(this.context, target);
    return fence !== null && endsMovedGuest(this.context, fence.record, move);
  }

  /**
   * What must hold in the transaction that gives the VM to the target: its fence has gone no further. A node that is recorded as off has been
   * recovered already, and nobody would look after a VM that is given to it later.
   */
  private async standingOf(move: VmMove): Promise<readonly Operation[] | 'off' | 'unknown'> {
    const { target } = move;
    const fence = target === null ? null : await readFence(this.context, target);
    if (target === null || fence === null) return 'unknown';
    if (endsMovedGuest(this.context, fence.record, move)) return 'off';
    return [{ kind: 'check', path: tree.fence(target), version: fence.version }];
  }

  private async notMoved(file: VmFile, move: VmMove, because: string): Promise<void> {
    const { duties } = this.context;
    if (duties.aborted) return; // the next life goes on
    const now = await readVm(this.context, file.record.uuid);
    if (now === null || now === 'none' || now.record.move?.id !== move.id) return;
    const { state } = now.record;
    if (state === 'migrate-live' || now.record.move.calledOff !== null)
      return this.stayed(now, now.record.move, now.record.move.calledOff ?? because);
    if (!(await this.isThere(move, move.target ?? '')))
      return this.stayed(now, move, `${because}; ${move.target ?? 'its target'} is not there any more`);
    // Shut down, it would be given to a node that cannot start it now.
    const there = await this.hypervisor.guestAt(move.address ?? '', file.record.uuid);
    if (!there.ok) {
      await this.stayed(
        now,
        move,
        `${because}; the libvirt of ${move.target ?? '?'} does not answer: ${there.because}`,
      );
      return;
    }
    await this.byShutdown(now, `live it did not work: ${because}`);
  }

  /** Shut down here, and given to the target, which starts it. */
  async byShutdown(file: VmFile, because: string): Promise<void> {
    const { history, self } = this.context;
    const { uuid, name, move } = file.record;
    if (move === null) return;
    history.happened('vm', `${name} is shut down to move to ${move.target ?? '?'}: ${because}`, {
      node: self.name,
      evidence: { vm: name, move: move.id },
    });
    await tellProgress(this.context, uuid, {
      schema: 1,
      moveId: move.id,
      what: `it is shut down: ${because}`.slice(0, 300),
      totalBytes: null,
      leftBytes: null,
    });
    if (!(await shutGuest(this.context, this.hypervisor, file.record))) return; // the next life goes on
    const text = `it was shut down on ${self.name}, and starts on ${move.target ?? '?'}`;
    const lastMove = { id: move.id, ok: true, because: `by shutdown and start: ${because}`.slice(0, 1000) };
    await this.insist(file, async (now, unlock) => {
      const standing = await this.standingOf(move);
      if (standing === 'unknown') return null;
      const isGone = standing === 'off' || !(await this.isThere(move, move.target ?? ''));
      return isGone
        ? this.noted(now, move, `${move.target ?? '?'} is not there any more, so it starts again on ${self.name}`)
        : moveVm(this.context, now, 'handedOver', text, { ...this.goneTo(now, move), active: false, lastMove }, [
            ...unlock,
            ...standing,
          ]);
    });
  }

  async arrived(file: VmFile, move: VmMove): Promise<void> {
    const { self } = this.context;
    const because = `it has moved live from ${self.name} to ${move.target ?? '?'}`;
    const lastMove = { id: move.id, ok: true, because };
    const isWritten = await this.insist(file, async (now, unlock) => {
      const standing = await this.standingOf(move);
      if (standing === 'unknown') return null;
      return standing === 'off'
        ? this.noted(now, move, `${because}, which is off since; it starts again on ${self.name}`)
        : moveVm(this.context, now, 'moved', because, { ...this.goneTo(now, move), active: true, lastMove }, [
            ...unlock,
            ...standing,
          ]);
    });
    if (!isWritten) await this.tellWhereItIs(file, move, because);
    await this.hypervisor.remove(file.record.uuid); // as a rule nothing is left; what is, is removed at the next look
  }

  /**
   * ZooKeeper was restored while it moved, and the record knows nothing of that. This node says where it is: its target may look at its
   * guests only later, and until then the guest would be in nobody's list.
   */
  private async tellWhereItIs({ record: { uuid, name } }: VmFile, move: VmMove, because: string): Promise<void> {
    const { env, duties, board, history, self } = this.context;
    while (!duties.aborted && vmRecordsAreOld(board)) {
      const now = await readVm(this.context, uuid);
      if (now === 'none' || (now !== null && now.record.node === move.target && now.record.active)) return;
      const unlock = await lockRemoval(this.context, uuid, self.name);
      const node = move.target ?? self.name;
      const home = { node, state: 'start', active: true, move: null, stranded: false, because, by: self.name } as const;
      const sinceWallMs = env.clock.wallMs();
      if (now !== null && unlock !== null && (await changeVm(this.context, now, { ...home, sinceWallMs }, unlock))) {
        const evidence = { vm: name, move: move.id };
        history.happened('vm', `${name}: ${because}; its record was of an old copy of ZooKeeper`, { node, evidence });
        return;
      }
      await env.clock.sleep(100, duties);
    }
  }

  private goneTo({ record }: VmFile, move: VmMove): Pick<VmFile['record'], 'node' | 'cameFrom' | 'move'> {
    const node = move.target ?? record.node;
    const origin = record.cameFrom ?? record.node;
    return { node, cameFrom: move.remembers && origin !== node ? origin : null, move: null };
  }

  async stayed(file: VmFile, move: VmMove, because: string): Promise<void> {
    await this.insist(file, (now) => this.noted(now, move, because));
  }

  private noted(now: VmFile, { id }: VmMove, because: string): Promise<VmFile | null> {
    const lastMove = { id, ok: false, because: because.slice(0, 1000) };
    return moveVm(this.context, now, 'stayed', because, { move: null, lastMove });
  }

  /** It went off before anything was moved. */
  async vanished(file: VmFile, move: VmMove, guest: Guest | null): Promise<void> {
    const isOwnWill = guest?.reason === 'shutdown' || guest?.reason === 'destroyed';
    if (!isOwnWill) return this.stayed(file, move, 'its guest was not running any more');
    const because = 'its guest was shut down before it could move';
    const lastMove = { id: move.id, ok: false, because };
    const removed = await this.hypervisor.remove(file.record.uuid);
    if (!removed.ok) return; // the next look tries again: until then it may run here
    await this.insist(file, (now, unlock) =>
      moveVm(this.context, now, 'stoppedByItself', because, { move: null, lastMove, active: false }, unlock),
    );
  }

  /**
   * What is certain has to be written, however often the store is away or somebody else writes in between. False: the record says
   * nothing of this move any more, or the duties of this noded are over.
   */
  private async insist(
    file: VmFile,
    write: (now: VmFile, unlock: NonNullable<Awaited<ReturnType<typeof lockRemoval>>>) => Promise<VmFile | null>,
  ): Promise<boolean> {
    const { env, duties } = this.context;
    const { uuid, move } = file.record;
    while (!duties.aborted) {
      const now = await readVm(this.context, uuid);
      if (now === 'none' || (now !== null && now.record.move?.id !== move?.id)) return false;
      const unlock = await lockRemoval(this.context, uuid, this.context.self.name);
      if (now !== null && unlock !== null && (await write(now, unlock)) !== null) return true;
      await env.clock.sleep(100, duties);
    }
    return false;
  }
}

/** For nodectl: what is being done about a move right now. */
export async function tellProgress({ env }: Context, uuid: string, progress: VmProgress): Promise<void> {
  await putRecord(env, tree.vmProgress(uuid), printRecord(VmProgress.parse(progress)));
}
