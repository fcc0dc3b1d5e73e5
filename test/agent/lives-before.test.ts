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
