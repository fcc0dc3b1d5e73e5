/** Chance from a seed: mulberry32, small and good enough to vary schedules. RANDOM1. */
import type { Random } from '../environment/random.ts';

export class SeededRandom implements Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  id(): string {
    const part = () =>
      Math.floor(this.fraction() * 0x1_0000_0000)
        .toString(16)
        .padStart(8, '0');
    return part() + part();
  }

  /** A number between the two. */
  between(low: number, high: number): number {
    return low + this.fraction() * (high - low);
  }

  /** A generator of its own, so that one part's use of chance does not shift another's. */
  fork(): SeededRandom {
    return new SeededRandom(Math.floor(this.fraction() * 0x1_0000_0000));
  }
}
