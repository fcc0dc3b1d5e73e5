/**
 * One life of a simulated process. Everything that the outside gives it (a timer, a reply) passes through `deliver`: a
 * dead process gets nothing any more, a frozen one gets all of it at once when it is thawed, as after SIGCONT.
 */
import type { Clock } from '../environment/clock.ts';
import type { VirtualTime } from './clock.ts';

/** The world's wall clock at virtual time 0. */
export const wallEpochMs = 1_750_000_000_000;

/** No timer is finer; without it the rest of a wait could be too short to move the world's time at all. */
const shortestMs = 0.001;

export class SimProcess implements Clock {
  alive = true;
  frozen = false;
  private readonly time: VirtualTime;
  private readonly held: (() => void)[] = [];
  private sleptMs = 0;
  private asleepSinceMs: number | null = null;
  /** By how much this machine's wall clock is wrong. */
  wallSkewMs = 0;
  /** In the world's time: since when this process has run without a pause. */
  runsSinceMs: number;
  /** How fast this machine's monotonic clock runs; 1 is right. */
  private readonly rate: number;

  constructor(time: VirtualTime, rate = 1) {
    this.time = time;
    this.rate = rate;
    this.runsSinceMs = time.nowMs;
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
    if (!this.frozen || this.isAsleep()) return;
    this.frozen = false;
    this.runsSinceMs = this.time.nowMs;
    for (const act of this.held.splice(0)) act();
  }

  /** The whole machine sleeps (suspend to RAM): its monotonic clock stands still meanwhile. */
  suspend(): void {
    this.freeze();
    this.asleepSinceMs ??= this.time.nowMs;
  }

  resume(): void {
    if (this.asleepSinceMs === null) return;
    this.sleptMs += this.time.nowMs - this.asleepSinceMs;
    this.asleepSinceMs = null;
    this.thaw();
  }

  /** In the world's time, a sleep that goes on included. */
  sleptUntilNowMs(): number {
    return this.sleptMs + (this.asleepSinceMs === null ? 0 : this.time.nowMs - this.asleepSinceMs);
  }

  isAsleep(): boolean {
    return this.asleepSinceMs !== null;
  }

  die(): void {
    this.alive = false;
    this.held.length = 0;
  }

  monotonicMs(): number {
    return (this.time.nowMs - this.sleptMs) * this.rate;
  }

  wallMs(): number {
    return wallEpochMs + this.time.nowMs + this.wallSkewMs;
  }

  suspendedMs(): number {
    return this.sleptMs * this.rate;
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
      const cancel = this.time.after(ms <= 0 ? 0 : Math.max(ms / this.rate, shortestMs), () => this.deliver(wake));
      signal?.addEventListener('abort', wake);
    });
  }
}
