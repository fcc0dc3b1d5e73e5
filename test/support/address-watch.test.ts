import type { Sample } from './address-watch.ts';
import { overlapsOf } from './address-watch.ts';

/** Looks at the given moments; each took `tookMs`. */
const seen = (moments: readonly number[], tookMs = 1): Sample[] =>
  moments.map((at) => ({ fromMs: at - tookMs, ms: at, there: true }));

it('S1: an address on two hosts at once is found, and one that moves is not', () => {
  const both = new Map([
    ['node1', seen([100, 120, 140])],
    ['node2', seen([110, 130, 150])],
  ]);
  expect(overlapsOf(both).length).toBeGreaterThan(0);
  const moved = new Map([
    ['node1', seen([100, 120, 140])],
    ['node2', seen([150, 170])],
  ]);
  expect(overlapsOf(moved)).toEqual([]);
});

it('a watcher that was stopped in the middle of a look proves nothing', () => {
  // Seen on a busy machine: the last look at node1 began before the role moved, and was written down after.
  const late = new Map([
    ['node1', [...seen([423]), { fromMs: 440, ms: 478, there: true }]],
    ['node2', seen([476, 506])],
  ]);
  expect(overlapsOf(late)).toEqual([]);
});

it('there and back is no overlap, and a long gap makes two stays', () => {
  const back = new Map([
    ['node1', seen([100, 700])],
    ['node2', seen([300, 320])],
  ]);
  expect(overlapsOf(back)).toEqual([]);
});
