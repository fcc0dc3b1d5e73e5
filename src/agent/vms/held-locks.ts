/**
 * The locks of the VMs of this node, for as long as a guest of theirs may run here: taken again in each session, looked at again
 * now and then (an operator may have taken one away), and given up when nothing of the VM is left here. What is remembered of a
 * lock ends with the VM's stay: one that comes back needs its lock again.
 */
import type { Guest } from '../../core/vm.ts';
import { isOnItsWay } from '../../core/vm.ts';
import type { Context } from '../context.ts';
import { dropGuestLock, ownsGuestLock, takeGuestLock } from './guest-lock.ts';
import type { VmFile } from './vm-file.ts';

/** So long a lock that was seen in this session counts as held. */
const trustMs = 30_000;

interface Held {
  /** Of the session. */
  readonly generation: number;
  readonly seenMs: number;
}

export class HeldLocks {
  private readonly context: Context;
  private readonly tell: (file: VmFile, because: string) => void;
  private readonly held = new Map<string, Held>();
  private readonly holding = new Set<string>();
  private readonly dropping = new Set<string>();
  /** What was told of each, once. */
  private readonly told = new Map<string, string>();

  constructor(context: Context, tell: (file: VmFile, because: string) => void) {
    this.context = context;
    this.tell = tell;
  }

  /** Null: it is ours from now on. Otherwise why not. */
  async take(file: VmFile): Promise<string | null> {
    const { generation } = this.context.env.store.session();
    const trouble = await takeGuestLock(this.context, file);
    if (trouble === null) this.note(file, generation);
    return trouble?.because ?? null;
  }

  /** It was given up together with something else. */
  forget(uuid: string): void {
    this.held.delete(uuid);
    this.told.delete(uuid);
  }

  forgetAllBut(uuids: ReadonlySet<string>): void {
    for (const map of [this.held, this.told]) for (const uuid of map.keys()) if (!uuids.has(uuid)) map.delete(uuid);
  }

  /** It is being given up: nothing of this VM is begun meanwhile. */
  isDropping(uuid: string): boolean {
    return this.dropping.has(uuid);
  }

  /**
   * At each look, what this VM's lock needs. `isBusy`: something is being done about the VM, which may need its lock. `isOld`: its record
   * may be of a restored store; then only a guest that runs here holds the lock, for another node may run this one and need it, also
   * when it stands still here for a migration.
   */
  keep(file: VmFile, guest: Guest | null | 'unknown', isBusy: boolean, isOld: boolean): void {
    const { self, env } = this.context;
    const { uuid, node, active } = file.record;
    if (env.store.session().state !== 'connected') return;
    const isAway = isOld && guest !== null && guest !== 'unknown' && isOnItsWay(guest);
    const isNothingHere = guest === null || (guest !== 'unknown' && guest.power === 'off') || isAway;
    if (node === self.name && active && !(isOld && isNothingHere)) {
      const runs = guest !== 'unknown' && !isNothingHere;
      if (!this.isTrusted(uuid)) void once(this.holding, uuid, () => this.hold(file, runs));
    } else if (this.held.has(uuid) && isNothingHere && !isBusy) void once(this.dropping, uuid, () => this.drop(file));
  }

  /** Given up, or tried again at a later look. */
  async drop(file: VmFile): Promise<void> {
    if (await dropGuestLock(this.context, file)) this.forget(file.record.uuid);
  }

  private isTrusted(uuid: string): boolean {
    const { clock, store } = this.context.env;
    const held = this.held.get(uuid);
    return held?.generation === store.session().generation && clock.monotonicMs() - held.seenMs < trustMs;
  }

  private async hold(file: VmFile, runs: boolean): Promise<void> {
    const { self, env } = this.context;
    const { uuid, name } = file.record;
    const { generation } = env.store.session();
    const isOurs = this.held.get(uuid)?.generation === generation ? await ownsGuestLock(this.context, uuid) : false;
    if (isOurs === null) return;
    const trouble = isOurs ? null : await takeGuestLock(this.context, file);
    if (trouble === null) {
      this.note(file, generation);
      return;
    }
    this.held.delete(uuid);
    if (!runs || !trouble.isHeld || this.told.get(uuid) === trouble.because) return;
    this.told.set(uuid, trouble.because);
    this.tell(file, `${name} runs on ${self.name} without its lock: ${trouble.because}`);
  }

  private note({ record: { uuid } }: VmFile, generation: number): void {
    this.held.set(uuid, { generation, seenMs: this.context.env.clock.monotonicMs() });
    this.told.delete(uuid);
  }
}

async function once(under: Set<string>, uuid: string, work: () => Promise<void>): Promise<void> {
  if (under.has(uuid)) return;
  under.add(uuid);
  await work().finally(() => under.delete(uuid));
}
