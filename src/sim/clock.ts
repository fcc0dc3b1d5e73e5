/**
 * Virtual time: one queue of timers for the whole world, ties broken by order of arrival, microtasks drained between two
 * timers. The same seed gives the same order of everything.
 */
interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/** After so many timers the real world has its turn. */
const firedPerTurn = 2000;
/** So many timers of one moment are a loop that waits for nothing. */
const atOneMomentMax = 200_000;

export class VirtualTime {
  nowMs = 0;
  private order = 0;
  private readonly heap: Timer[] = [];

  /** Calls `fire` at `atMs` (not before now). Returns the way to call it off. */
  at(atMs: number, fire: () => void): () => void {
    const timer: Timer = { atMs: Math.max(atMs, this.nowMs), order: this.order, fire, cancelled: false };
    this.order += 1;
    this.push(timer);
    return () => (timer.cancelled = true);
  }

  after(ms: number, fire: () => void): () => void {
    return this.at(this.nowMs + Math.max(0, ms), fire);
  }

  /** Runs the world until `endMs`; events due at that very moment are still fired. */
  async runUntil(endMs: number): Promise<void> {
    await turned();
    let fired = 0;
    let firedNow = 0;
    for (let next = this.heap[0]; next !== undefined && next.atMs <= endMs; next = this.heap[0]) {
      this.pop();
      if (next.cancelled) continue;
      firedNow = next.atMs > this.nowMs ? 0 : firedNow + 1;
      if (firedNow > atOneMomentMax) throw new Error(`the world's time stands still at ${this.nowMs} ms`);
      this.nowMs = next.atMs;
      next.fire();
      fired += 1;
      await (fired % firedPerTurn === 0 ? turned() : drained());
    }
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  private push(timer: Timer): void {
    const { heap } = this;
    heap.push(timer);
    for (let child = heap.length - 1; child > 0;) {
      const parent = (child - 1) >> 1;
      if (!this.swapIfEarlier(child, parent)) return;
      child = parent;
    }
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let parent = 0; ;) {
      const left = 2 * parent + 1;
      const right = left + 1;
      let least = parent;
      if (left < heap.length && this.earlier(left, least)) least = left;
      if (right < heap.length && this.earlier(right, least)) least = right;
      if (least === parent) return;
      this.swapIfEarlier(least, parent);
      parent = least;
    }
  }

  private earlier(a: number, b: number): boolean {
    const x = this.heap[a];
    const y = this.heap[b];
    return x !== undefined && y !== undefined && (x.atMs - y.atMs || x.order - y.order) < 0;
  }

  private swapIfEarlier(child: number, parent: number): boolean {
    if (!this.earlier(child, parent)) return false;
    const { heap } = this;
    const moved = heap[child];
    const other = heap[parent];
    if (moved === undefined || other === undefined) return false;
    heap[child] = other;
    heap[parent] = moved;
    return true;
  }
}

/**
 * All promises that can go on have gone on when this resolves: Node.js comes to a tick that was asked for between microtasks
 * when none of them is left. Ten times cheaper than a turn of the event loop.
 */
function drained(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** A turn of the event loop: signals, timers and messages of the real world are heard. */
function turned(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
