/** Random stories over the production agents under every checker (scripts/sim runs any number of them). */
import { createHash } from 'node:crypto';
import { runSeed, shortest } from '../../src/proof/seed.ts';
import type { Scenario } from '../../src/sim/swarm/plan.ts';
import { planOf } from '../../src/sim/swarm/plan.ts';
import { runPlan } from '../../src/sim/swarm/run.ts';
import { shrink } from '../../src/sim/swarm/shrink.ts';
import { checkers } from '../../src/sim/checkers/all.ts';
import { parseScenario, printScenario } from '../../src/proof/scenario-file.ts';

const again = (seed: number) => `scripts/sim --seeds ${seed}-${seed}`;
const perTest = 25;

describe('no rule is broken, and every cluster is well again when its trouble is over', () => {
  it.each([1, 2, 3, 4, 5, 6])('seeds of part %i', async (part) => {
    for (let seed = (part - 1) * perTest + 1; seed <= part * perTest; seed += 1) {
      const { findings } = await runSeed(seed);
      expect({ again: again(seed), findings }).toEqual({ again: again(seed), findings: [] });
    }
  });

  it('seeds that nobody has run before', async () => {
    const first = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);
    for (let seed = first; seed < first + perTest; seed += 1) {
      const { findings } = await runSeed(seed);
      expect({ again: again(seed), findings }).toEqual({ again: again(seed), findings: [] });
    }
  });
});

describe('a seed is a story', () => {
  const hashOf = async (plan: Scenario) => {
    const { world } = await runPlan(plan);
    return createHash('sha256').update(world.trace.text()).digest('hex');
  };

  it('the same seed gives the same history, to the byte; another one another', async () => {
    expect(planOf(7)).toEqual(planOf(7));
    const [one, same, other] = [await hashOf(planOf(7)), await hashOf(planOf(7)), await hashOf(planOf(8))];
    expect(one).toBe(same);
    expect(one).not.toBe(other);
  });

  it('kept as scenario.yaml and read back it is the same', async () => {
    for (const seed of [3, 14, 15]) {
      const plan = planOf(seed);
      const read = parseScenario(printScenario(plan));
      expect(read.ok).toBe(true);
      if (read.ok) expect(await hashOf(read.scenario)).toBe(await hashOf(plan));
    }
  });

  it('a failing one becomes as short as it can be', async () => {
    const plan = planOf(12, { faults: 12 });
    const [third, , fifth] = plan.steps.slice(2, 5);
    const needed = [third, fifth].flatMap((step) => (step === undefined ? [] : [step.command]));
    let tries = 0;
    const short = await shrink(plan, (candidate) => {
      tries += 1;
      return Promise.resolve(needed.every((command) => candidate.steps.some((step) => step.command === command)));
    });
    expect(short.steps.map((step) => step.command)).toEqual(needed);
    expect(tries).toBeLessThan(100);
  });

  it('what breaks no rule is not shortened to something that does', async () => {
    expect(await shortest(planOf(2), 'S1')).toEqual(planOf(2));
  });
});

it('every rule has a checker, or says why not', () => {
  // S12: two stores for one are two primaries (S1), or a healthy node that is fenced (S3).
  expect([...new Set(checkers.map(({ rule }) => rule))]).toEqual([
    'S1',
    'S2',
    'S3',
    'S4',
    'S6',
    'S7',
    'S8',
    'S9',
    'S10',
    'S11',
  ]);
});
