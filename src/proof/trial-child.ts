/** A child of `nodectl simulate`: runs the trials that it is told, one at a time, until its parent goes. */
import { setMaxListeners } from 'node:events';
import type { OwnCluster } from '../sim/trial/own-cluster.ts';
import { ownSituation, situations } from '../sim/trial/situations.ts';
import type { StoryStep } from '../sim/scenario.ts';
import type { Trial } from '../sim/trial/trial.ts';
import { runTrial } from '../sim/trial/trial.ts';

export interface TrialOrder {
  readonly own: OwnCluster;
  readonly situation: string;
  readonly seed: number;
  /** Instead of a known situation: a person's own story. */
  readonly story: { readonly steps: readonly StoryStep[]; readonly untilMs: number } | null;
}

/** `because`: the trial could not be run to its end. */
export type TrialAnswer =
  { readonly ok: true; readonly trial: Trial } | { readonly ok: false; readonly because: string };

setMaxListeners(1000); // many loops of many agents listen to the signals that end them

async function answer({ own, situation, seed, story }: TrialOrder): Promise<TrialAnswer> {
  try {
    const known =
      story === null
        ? situations.find(({ name }) => name === situation)
        : ownSituation(situation, story.steps, story.untilMs);
    if (known === undefined) throw new Error(`there is no situation "${situation}"`);
    return { ok: true, trial: await runTrial(own, known, seed) };
  } catch (error) {
    return { ok: false, because: `${situation}, seed ${seed}: ${(error as Error).message}` };
  }
}

process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined); // the parent decides
process.on('message', (order: TrialOrder) => {
  void answer(order).then((said) => process.send?.(said));
});
