/** Makes a failing story as short as it can be: whole pieces are left out for as long as what is left still fails. */
import type { StoryStep } from '../scenario.ts';
import type { Scenario } from './plan.ts';

/**
 * `fails` runs a candidate. Leaves out halves first, then quarters, down to single steps, until no single one can go
 * (delta debugging, Zeller 1999).
 */
export async function shrink(plan: Scenario, fails: (candidate: Scenario) => Promise<boolean>): Promise<Scenario> {
  let steps = plan.steps;
  const tryWith = async (fewer: readonly StoryStep[]): Promise<boolean> => {
    if (!(await fails({ ...plan, steps: fewer }))) return false;
    steps = fewer;
    return true;
  };
  let size = Math.ceil(steps.length / 2);
  while (size >= 1) {
    const before = steps.length;
    for (let from = 0; from < steps.length;) {
      const without = [...steps.slice(0, from), ...steps.slice(from + size)];
      if (!(await tryWith(without))) from += size;
    }
    if (size > 1) size = Math.ceil(size / 2);
    else if (steps.length === before) size = 0;
  }
  return { ...plan, steps };
}
