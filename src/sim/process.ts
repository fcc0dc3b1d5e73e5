/**
 * One life of a simulated process. Everything that the outside gives it (a timer, a reply) passes through `deliver`: a
 * dead process gets nothing any more, a frozen one gets all of it at once when it is thawed, as after SIGCONT.
 */
import type { Clock } from '../environment/clock.ts';
import type { VirtualTime } from './clock.ts';

/** The world's wall clock at virtual time 0. */
export const wallEpochMs = 1_750_000_000_000;

export class SimProcess implements Clock {
  alive = true;
  frozen = false;
  private readonly time: VirtualTime;
  private readonly held: (() => void)[] = [];
  private sleptMs = 0;
  private asleepSinceMs = 0;
  /** By how much this machine's wall clock is wrong. */
  wallSkewMs = 0;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  deliver(act: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.held.push(act);
    else act();
  }

  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    for (const act of this.held.splice(0)) act();
  }

  /** The whole machine sleeps (suspend to RAM): its monotonic clock stands still meanwhile. */
  suspend(): void {
    this.freeze();
    this.asleepSinceMs = this.time.nowMs;
  }

  resume(): void {
    this.sleptMs += this.time.nowMs - this.asleepSinceMs;
    this.thaw();
  }

  die(): void {
    this.alive = false;
    this.held.length = 0;
  }

  monotonicMs(): number {
    return this.time.nowMs - this.sleptMs;
  }

  wallMs(): number {
    return wallEpochMs + this.time.nowMs + this.wallSkewMs;
  }

  suspendedMs(): number {
    return this.sleptMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const wake = () => {
        cancel();
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = this.time.after(ms, () => this.deliver(wake));
      signal?.addEventListener('abort', wake);
    });
  }
}
