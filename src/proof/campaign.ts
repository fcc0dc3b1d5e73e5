/**
 * Many seeds, on every core: each child process runs one seed after the other; what a child found, or that it died, comes back
 * as a result. Ends early when `over` is aborted, and has told every result by then.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { PlanOptions } from '../sim/swarm/plan.ts';
import type { SeedResult } from './seed.ts';

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

export async function campaign(options: CampaignOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.jobs }, () => oneAfterTheOther(options)));
}

async function oneAfterTheOther({ next, plan, over, onResult }: CampaignOptions): Promise<void> {
  let child: ChildProcess | null = null;
  for (let seed = over.aborted ? null : next(); seed !== null; seed = over.aborted ? null : next()) {
    child ??= fork(new URL('./child.js', import.meta.url));
    const result = await runIn(child, { seed, plan }, over);
    if (result === null) break;
    if (result.isDead) child = null;
    onResult(result.seed);
  }
  child?.kill('SIGKILL');
}

/** Null: it was called off. */
function runIn(
  child: ChildProcess,
  order: Order,
  over: AbortSignal,
): Promise<{ readonly seed: SeedResult; readonly isDead: boolean } | null> {
  return new Promise((resolve) => {
    const dead = (text: string) => ({
      seed: { seed: order.seed, findings: [{ rule: 'crash', text }], nodeHours: 0, settledAfterMs: null },
      isDead: true,
    });
    const end = (result: { readonly seed: SeedResult; readonly isDead: boolean } | null) => {
      clearTimeout(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      over.removeEventListener('abort', onOver);
      resolve(result);
    };
    const onMessage = (message: unknown) => end({ seed: message as SeedResult, isDead: false });
    const onExit = (code: number | null, signal: string | null) =>
      end(dead(`its process ended: ${signal ?? code ?? '?'}`));
    const onOver = () => {
      child.kill('SIGKILL');
      end(null);
    };
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      end(dead(`no end within ${hangMs / 1000} s of real time`));
    }, hangMs);
    child.on('message', onMessage);
    child.on('exit', onExit);
    over.addEventListener('abort', onOver);
    child.send(order);
  });
}
