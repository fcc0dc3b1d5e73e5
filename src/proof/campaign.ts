/** Many seeds, on every core. What a child found, or that it died, comes back as a result. */
import type { PlanOptions } from '../sim/swarm/plan.ts';
import type { SeedResult } from './seed.ts';
import { sideBySide } from './side-by-side.ts';

export interface CampaignOptions {
  /** The next seed to run; null: there is none left. */
  readonly next: () => number | null;
  readonly jobs: number;
  readonly plan: PlanOptions;
  readonly over: AbortSignal;
  readonly onResult: (result: SeedResult) => void;
}

/** What a child is told. */
export interface Order {
  readonly seed: number;
  readonly plan: PlanOptions;
}

/** A seed that has not come to its end by then hangs: the simulator's own time stands still. */
const hangMs = 30_000;

export async function campaign({ next, jobs, plan, over, onResult }: CampaignOptions): Promise<void> {
  await sideBySide<Order, SeedResult>({
    child: new URL('./child.js', import.meta.url),
    next() {
      const seed = next();
      return seed === null ? null : { seed, plan };
    },
    ...{ jobs, hangMs, over },
    onAnswer: onResult,
    died: ({ seed }, text) => ({ seed, findings: [{ rule: 'crash', text }], nodeHours: 0, settledAfterMs: null }),
  });
}
