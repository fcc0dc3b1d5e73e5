/**
 * A guest that stands paused for a migration which no record knows of: its noded was killed in the middle of it and ZooKeeper restored
 * from before it, or somebody migrated it by hand. It is ended and started again by its home alone, and only when libvirt carries no
 * migration of it any more and every other node that could have taken it in has said that it does not know it, or is confirmed off (S2).
 * It is not resumed: its copy may have run elsewhere and ended there, and what it remembers of its disks would be old.
 */
import { decide } from '../../core/decision.ts';
import type { Decision } from '../../core/decision.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { Registration } from '../../records/registration.ts';
import type { Context } from '../context.ts';
import { readFence } from '../fencing/fence-file.ts';
import type { Peers } from '../peers.ts';
import { endsAllGuests } from './guests-ended.ts';
import type { VmFile } from './vm-file.ts';

/** A migration that goes well, or that libvirt itself takes back, stands still for less than that. */
export const settlesWithinMs = 10_000;

/** Each question is a process. */
const atOnce = 10;

export class LeftPaused {
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;
  private readonly peers: Peers;
  /** Since when (own monotonic clock) each guest was seen so, without a break. */
  private readonly since = new Map<string, number>();

  constructor(context: Context, hypervisor: Hypervisor, peers: Peers) {
    this.context = context;
    this.hypervisor = hypervisor;
    this.peers = peers;
  }

  /** Of these guests alone anything is remembered. */
  forgetAllBut(uuids: ReadonlySet<string>): void {
    for (const uuid of this.since.keys()) if (!uuids.has(uuid)) this.since.delete(uuid);
  }

  /** It does not stand so any more. */
  forget(uuid: string): void {
    this.since.delete(uuid);
  }

  /** Whether the guest may be ended and started again. Asks the libvirt of every other node, so it is no business of a look at the list. */
  async judge({ record: { uuid } }: VmFile): Promise<Decision<'end' | 'wait'>> {
    const nowMs = this.context.env.clock.monotonicMs();
    const sinceMs = this.since.get(uuid) ?? nowMs;
    this.since.set(uuid, sinceMs);
    if (nowMs - sinceMs < settlesWithinMs) return decide('wait', 'its migration may still end');
    const job = await this.hypervisor.isMigrating(uuid);
    if (!job.ok) return decide('wait', `whether libvirt migrates it is not known: ${job.because}`);
    if (job.value) return decide('wait', 'libvirt is migrating it');
    const others = this.peers.all().filter(({ name, vms }) => vms !== null && name !== this.context.self.name);
    for (let from = 0; from < others.length; from += atOnce) {
      const some = others.slice(from, from + atOnce);
      const found = await Promise.all(some.map((peer) => this.whyPerhapsAt(peer, uuid)));
      const perhaps = found.find((because) => because !== null);
      if (perhaps !== undefined) return decide('wait', perhaps);
    }
    return decide('end', 'its migration is over, and no other node knows it');
  }

  /** Null: it is certainly not there. */
  private async whyPerhapsAt({ name, vms }: Registration, uuid: string): Promise<string | null> {
    const fence = await readFence(this.context, name);
    if (fence !== null && endsAllGuests(this.context, fence.record)) return null;
    const there = await this.hypervisor.guestAt(vms?.address ?? name, uuid);
    if (!there.ok) return `whether it is on ${name} is not known: ${there.because}`;
    return there.value === null ? null : `it is ${there.value.power} on ${name} as well`;
  }
}
