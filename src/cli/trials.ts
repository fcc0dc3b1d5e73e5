/** Runs trials of a person's own cluster in the simulator, on every core. */
import { availableParallelism } from 'node:os';
import { sideBySide } from '../proof/side-by-side.ts';
import type { TrialAnswer, TrialOrder } from '../proof/trial-child.ts';
import type { Trial } from '../sim/trial/trial.ts';

export interface TrialsOptions {
  readonly orders: readonly TrialOrder[];
  /** Null: one for each core. */
  readonly jobs: number | null;
  readonly over: AbortSignal;
  readonly onTrial: (trial: Trial, done: number) => void;
}

/** A trial of a thousand nodes takes minutes. */
const hangMs = 600_000;

/** Every trial in the order of `orders`, of those that came to their end; `because`: why no more could be run. */
export async function runTrials(
  options: TrialsOptions,
): Promise<{ readonly trials: readonly Trial[]; readonly because: string | null }> {
  const { orders, onTrial } = options;
  const failed = new AbortController();
  const found = new Map<string, Trial>();
  const nameOf = ({ situation, seed }: { situation: string; seed: number }) => `${situation} ${seed}`;
  let because: string | null = null;
  let index = 0;
  await sideBySide<TrialOrder, TrialAnswer>({
    child: new URL('../proof/trial-child.js', import.meta.url),
    next: () => orders[index++] ?? null,
    jobs: Math.min(options.jobs ?? availableParallelism(), orders.length),
    hangMs,
    over: AbortSignal.any([options.over, failed.signal]),
    onAnswer(answer) {
      if (answer.ok) {
        found.set(nameOf(answer.trial), answer.trial);
        onTrial(answer.trial, found.size);
      } else {
        because ??= answer.because;
        failed.abort();
      }
    },
    died: (order, why) => ({ ok: false, because: `${order.situation}, seed ${order.seed}: ${why}` }),
  });
  const trials = orders.flatMap((order) => found.get(nameOf(order)) ?? []);
  return { trials, because };
}
