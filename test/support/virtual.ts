/** Virtual time for tests that wait for a promise: the simulator's clock moves only while somebody drives it. */
import type { VirtualTime } from '../../src/sim/clock.ts';

/** Runs a promise to its end, a virtual millisecond at a time. */
export function settleIn(time: VirtualTime): <T>(work: Promise<T>) => Promise<T> {
  return async (work) => {
    let over = false as boolean;
    const settled = work.finally(() => (over = true));
    settled.catch(() => undefined); // the caller gets it, below
    while (!over) await time.runUntil(time.nowMs + 1);
    return settled;
  };
}
