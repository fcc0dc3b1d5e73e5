/**
 * What a worker hears of the monitors. One with VMs must learn of a restored store, too, also where no API answers: the monitors know of it
 * within a beat, and their keepalives tell. A worker observes nobody, so it does not know which coordinators are monitors: it goes down the
 * ranks until it has found as many that publish as there are monitors.
 */
import { byRank, monitorsMax } from '../core/observers.ts';
import { Keepalive } from '../records/keepalive.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';

/** Told of each new keepalive of a node that is observed. */
export type HearKeepalive = (name: string, keepalive: Keepalive) => void;

/** Who has published nothing new for so many of the own beats is no monitor. */
const beatsToBeSilent = 3;

export class MonitorsHeard {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly onKeepalive: HearKeepalive;
  /** The sequence of each coordinator's last keepalive, and when (own monotonic clock) it was new. */
  private readonly seen = new Map<string, { readonly sequence: number; readonly newAtMs: number }>();

  constructor(context: Context, peers: Peers, onKeepalive: HearKeepalive) {
    this.context = context;
    this.peers = peers;
    this.onKeepalive = onKeepalive;
  }

  /** Called with each beat of a worker. */
  async look(): Promise<void> {
    const { env, config } = this.context;
    if (env.hypervisor === null) return;
    const names = byRank(this.peers.all().filter(({ role }) => role === 'coordinator')).map(({ name }) => name);
    for (const name of this.seen.keys()) if (!names.includes(name)) this.seen.delete(name);
    let publishing = 0;
    for (const name of names) {
      const newAtMs = await this.hear(name);
      if (env.clock.monotonicMs() - newAtMs < beatsToBeSilent * config.keepalive.interval) publishing += 1;
      if (publishing === monitorsMax) return;
    }
  }

  /** When its last keepalive was new. */
  private async hear(name: string): Promise<number> {
    const { env } = this.context;
    const before = this.seen.get(name);
    const read = await env.store.read(tree.keepalive(name));
    const parsed = read.ok ? parseRecord(Keepalive, read.text) : null;
    if (parsed?.ok !== true) return before?.newAtMs ?? -Infinity;
    const { sequence } = parsed.record;
    const isNew = before !== undefined && before.sequence !== sequence;
    const newAtMs = isNew ? env.clock.monotonicMs() : (before?.newAtMs ?? -Infinity);
    this.seen.set(name, { sequence, newAtMs });
    if (isNew) this.onKeepalive(name, parsed.record);
    return newAtMs;
  }
}
