/** One seed of a campaign: its plan is run under every checker; what fails is made as short as it can be. */
import { setMaxListeners } from 'node:events';
import type { PlanOptions, Scenario } from '../sim/swarm/plan.ts';
import { planOf } from '../sim/swarm/plan.ts';
import type { Finding } from '../sim/swarm/run.ts';
import { runPlan } from '../sim/swarm/run.ts';
import { shrink } from '../sim/swarm/shrink.ts';

// Many loops of many agents listen to the signals that end them; Node.js would warn of the eleventh.
setMaxListeners(1000);

export interface SeedResult {
  readonly seed: number;
  readonly findings: readonly Finding[];
  /** Sum over the nodes of the virtual time that passed. */
  readonly nodeHours: number;
  readonly settledAfterMs: number | null;
}

/** Never rejects: a plan that makes the agents or the simulator throw has a finding too. */
export async function runSeed(seed: number, options: PlanOptions = {}): Promise<SeedResult> {
  const plan = planOf(seed, options);
  try {
    const { findings, world, settledAfterMs } = await runPlan(plan);
    return { seed, findings, settledAfterMs, nodeHours: (plan.cluster.nodes * world.time.nowMs) / 3_600_000 };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, findings: [{ rule: 'crash', text }], settledAfterMs: null, nodeHours: 0 };
  }
}

/** The shortest story that still breaks the first rule that `plan` broke. */
export async function shortest(plan: Scenario, rule: string): Promise<Scenario> {
  return shrink(plan, async (candidate) => {
    try {
      return (await runPlan(candidate)).findings.some((finding) => finding.rule === rule);
    } catch {
      return false; // a story that lost what its other steps rest on
    }
  });
}
