/** The promises of environment/random.ts on both sides of the seam. */
import type { Random } from '../../src/environment/random.ts';
import { realRandom } from '../../src/real/random.ts';
import { SeededRandom } from '../../src/sim/random.ts';

const sides: readonly [string, () => Random][] = [
  ['real', realRandom],
  ['simulated', () => new SeededRandom(5)],
];

describe.each(sides)("chance's promises: %s", (_side, make) => {
  it('fractions lie in [0, 1) and fill it', () => {
    const random = make();
    const drawn = Array.from({ length: 5000 }, () => random.fraction());
    expect(drawn.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
    for (let tenth = 0; tenth < 10; tenth += 1)
      expect(drawn.filter((fraction) => Math.floor(fraction * 10) === tenth).length).toBeGreaterThan(300);
  });

  it('ids are 16 hex digits and do not come twice', () => {
    const random = make();
    const ids = Array.from({ length: 5000 }, () => random.id());
    expect(ids.every((id) => /^[0-9a-f]{16}$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

it('RANDOM1: the same seed gives the same chance, another seed another', () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed);
    return [random.fraction(), random.id(), random.fork().fraction()];
  };
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
});
