/**
 * Migrations that a previous incarnation of this node's noded began, and that libvirt may still carry on. The records of a restored store
 * do not know of them: a guest that seems to run here for good arrives elsewhere a moment later. So each guest that is here after a
 * restore is asked about once, and counts when a later list shows it again. A migration that this incarnation begins is known
 * without asking (VmLoop.unfinished).
 */
import type { Guest } from '../../core/vm.ts';
import { isOnItsWay } from '../../core/vm.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { VmRecord } from '../../records/vm.ts';
import type { Context } from '../context.ts';

/** Each question is a process. */
const atOnce = 10;
/**
 * A guest that left is in the list of its new node by then, or that node says that its libvirt is silent: a list that hangs is given up
 * (HV1). What is paused for a migration that does not exist stays paused.
 */
const arrivesWithinMs = 60_000;

interface Doubt {
  readonly sinceMs: number;
  /** When (own monotonic clock) it was last seen here. */
  seenMs: number;
  /** libvirt knew of no migration of it. */
  isAsked: boolean;
}

export class LeftMigrations {
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;
  /** Guests that nobody but this incarnation migrates away. */
  private readonly staying = new Set<string>();
  private readonly doubts = new Map<string, Doubt>();

  constructor(context: Context, hypervisor: Hypervisor) {
    this.context = context;
    this.hypervisor = hypervisor;
  }

  /** VMs whose guests may arrive elsewhere, or here. */
  uuids(): string[] {
    return [...this.doubts.keys()];
  }

  /** The records count, and show every migration. */
  forget(): void {
    this.doubts.clear();
  }

  /** Called with each list after a restore. `isBusy`: this incarnation is doing something about it. */
  async look(
    records: readonly VmRecord[],
    guests: ReadonlyMap<string, Guest>,
    isBusy: (uuid: string) => boolean,
  ): Promise<void> {
    for (const record of records) if (!isBusy(record.uuid)) this.see(record, guests.get(record.uuid) ?? null);
    const open = [...this.doubts].filter(([uuid, { isAsked }]) => !isAsked && guests.has(uuid));
    await Promise.all(open.slice(0, atOnce).map(([uuid, doubt]) => this.ask(uuid, doubt)));
  }

  private see({ uuid, node }: VmRecord, guest: Guest | null): void {
    const nowMs = this.context.env.clock.monotonicMs();
    const doubt = this.doubts.get(uuid);
    if (guest === null) {
      // It has left; a guest that ended by itself would still be defined.
      const isKnown = node !== this.context.self.name || nowMs - (doubt?.seenMs ?? 0) > arrivesWithinMs;
      if (isKnown) this.doubts.delete(uuid);
      this.staying.delete(uuid);
      return;
    }
    const isSettled = doubt?.isAsked === true && (!isOnItsWay(guest) || nowMs - doubt.sinceMs > arrivesWithinMs);
    if (isSettled) this.staying.add(uuid);
    if (guest.power === 'off' || this.staying.has(uuid)) this.doubts.delete(uuid);
    else if (doubt === undefined) this.doubts.set(uuid, { sinceMs: nowMs, seenMs: nowMs, isAsked: false });
    else doubt.seenMs = nowMs;
  }

  private async ask(uuid: string, doubt: Doubt): Promise<void> {
    const asked = await this.hypervisor.isMigrating(uuid);
    doubt.isAsked = asked.ok && !asked.value;
  }
}
