/** Which lives count as the newest over restores of ZooKeeper (decision 0012). */
import { LivesBefore } from '../../src/agent/lives-before.ts';

const life = (incarnation: string, stoppedAt: number | null = null) => ({ name: 'node2', incarnation, stoppedAt });
/** After a restore in which `seen` were seen before. */
const restored = (...seen: string[]) => {
  const lives = new LivesBefore();
  lives.setBack(seen.map(life));
  return lives;
};

it('knows nothing before a restore', () => {
  const lives = new LivesBefore();
  for (const sequence of [1, 2, 3, 4]) lives.see(life('life1'), sequence);
  expect(lives.get('node2')).toBeUndefined();
});

it('S2: none of several lives is the newest one', () => {
  const lives = restored('life2');
  expect(lives.get('node2')).toBe('life2');
  lives.add([life('life3')]);
  expect(['life2', 'life3']).not.toContain(lives.get('node2'));
});

it('S2: what the copy shows replaces nothing, over two restores; a life that publishes does', () => {
  const lives = restored('life2');
  lives.see(life('life1'), 50);
  lives.see(life('life1'), 50);
  lives.setBack([life('life1')]);
  expect(lives.all().map(({ incarnation }) => incarnation)).toEqual(['life2', 'life1']);
  // The one of the copy, of an older copy, of now: one alone proves nothing.
  for (const sequence of [60, 40, 41]) lives.see(life('life1'), sequence);
  expect(lives.get('node2')).not.toBe('life1');
  lives.see(life('life1'), 42);
  expect(lives.get('node2')).toBe('life1');
  // Told of once more by another node; it goes on publishing.
  lives.add([life('life2')]);
  lives.see(life('life1'), 43);
  expect(lives.get('node2')).toBe('life1');
});

it('S3: a life that stopped cleanly is known by its last keepalive; an older one of it in the store says nothing', () => {
  const lives = new LivesBefore();
  lives.setBack([life('life2', 40)]);
  expect(lives.hasStopped('node2', 'life2', 17)).toBe(true);
  expect(lives.hasStopped('node2', 'life2', 41)).toBe(false);
  // Another node did not see it stop.
  lives.add([life('life2')]);
  expect(lives.hasStopped('node2', 'life2', 40)).toBe(true);
});

it('S3: only what stood in the store at the first look can be of the copy', () => {
  const lives = new LivesBefore();
  lives.setBack([life('life2', 40)]);
  expect(lives.hasStopped('node2', 'life1', 17)).toBe(true);
  lives.see(life('life1'), 17);
  expect(lives.hasStopped('node2', 'life1', 17)).toBe(true);
  // One keepalive of the next life is enough.
  expect(lives.hasStopped('node2', 'life3', 1)).toBe(false);
  lives.see(life('life3'), 1);
  expect(lives.hasStopped('node2', 'life3', 1)).toBe(false);
  expect(lives.isNewest('node2', 'life3')).toBe(true);
});

it('S3: a keepalive that may be of the copy says nothing by its silence, unless its node was held for dead before', () => {
  const lives = new LivesBefore();
  expect(lives.mayHaveStopped('node2', 'life2', 17)).toBe(false);
  lives.setBack([life('life2')]);
  lives.see(life('life2'), 17);
  expect(lives.mayHaveStopped('node2', 'life2', 17)).toBe(true);
  expect(lives.mayHaveStopped('node2', 'life2', 18)).toBe(false);
  lives.setBack([life('life2')], [['node2', 'life2']]);
  lives.see(life('life2'), 17);
  expect(lives.mayHaveStopped('node2', 'life2', 17)).toBe(false);
});

it('S3: where the store showed no keepalive, each that comes is of now', () => {
  const lives = restored();
  lives.seeNone('node2');
  lives.see(life('life1'), 1);
  expect(lives.mayHaveStopped('node2', 'life1', 1)).toBe(false);
});

it('S3: a stop that others tell of counts without a restore', () => {
  const lives = new LivesBefore();
  lives.addStops([life('life1', 30), life('life2')]);
  expect(lives.hasStopped('node2', 'life1', 17)).toBe(true);
  expect(lives.hasStopped('node2', 'life1', 31)).toBe(false);
  expect(lives.hasStopped('node2', 'life2', 5)).toBe(false);
  expect(lives.get('node2')).toBeUndefined();
});

it('S1: what the copy says of an older life is not about the newest one', () => {
  const lives = new LivesBefore();
  expect(lives.isNewest('node2', 'life1')).toBe(true);
  lives.setBack([life('life2')]);
  lives.see(life('life1'), 17);
  expect(lives.isNewest('node2', 'life1')).toBe(false);
  expect(lives.isNewest('node2', 'life2')).toBe(true);
  lives.add([life('life3')]);
  expect(lives.isNewest('node2', 'life2')).toBe(false);
});
