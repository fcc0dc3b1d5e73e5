/**
 * What this node has promised to commands on this machine: "you are primary until then" (6.6). A graceful hand-over waits for
 * every promise to end or to be given back; a lost lease needs no waiting, since no promise outlives the lease.
 */
import type { Clock } from '../../environment/clock.ts';

export class Holds {
  private readonly clock: Clock;
  private readonly untilMs = new Map<string, number>();
  private promisedUntilMs = 0;
  private waiters: (() => void)[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `is-leader --for`: nobody gives this back. */
  promise(forMs: number): void {
    this.promisedUntilMs = Math.max(this.promisedUntilMs, this.clock.monotonicMs() + forMs);
  }

  /** `run`: this command relies on the role until then. */
  hold(id: string, untilMs: number): void {
    this.untilMs.set(id, untilMs);
  }

  release(id: string): void {
    this.untilMs.delete(id);
    this.changed();
  }

  /** Wakes everybody who waits in a `hold`: the role is about to go. */
  changed(): void {
    for (const wake of this.waiters.splice(0)) wake();
  }

  /** Resolves after `ms`, or as soon as something changed. */
  async change(ms: number): Promise<void> {
    const waiting = new AbortController();
    this.waiters.push(() => waiting.abort());
    await this.clock.sleep(ms, waiting.signal);
  }

  /** How long until nobody relies on the role any more; 0: nobody does. */
  leftMs(): number {
    const nowMs = this.clock.monotonicMs();
    const last = Math.max(this.promisedUntilMs, ...this.untilMs.values());
    return Math.max(0, last - nowMs);
  }

  async drained(): Promise<void> {
    this.changed();
    for (let left = this.leftMs(); left > 0; left = this.leftMs()) await this.change(left);
    this.untilMs.clear();
  }
}
