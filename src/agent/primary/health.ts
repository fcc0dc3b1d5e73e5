/** The health of the running resources, on a slow beat: what died is restarted a bounded number of times (6.2). */
import { judgeHealth } from '../../core/resources.ts';
import type { Resource, TenureFacts } from '../../environment/resources.ts';
import type { Context } from '../context.ts';
import type { ResourceKeeper } from './resource-keeper.ts';

const hourMs = 3_600_000;

export interface HealthSubject {
  readonly facts: TenureFacts;
  readonly signal: AbortSignal;
}

export class Health {
  /** Why the role shall go to a better candidate; null: it need not. */
  ill: string | null = null;
  private readonly context: Context;
  private readonly keeper: ResourceKeeper;
  private readonly restartsMs = new Map<string, number[]>();
  private readonly unknownTold = new Set<string>();
  /** How many others could have the role. */
  private readonly others: () => Promise<number>;

  constructor(context: Context, keeper: ResourceKeeper, others: () => Promise<number>) {
    this.context = context;
    this.keeper = keeper;
    this.others = others;
  }

  /** `subject` says whose health counts right now; null: nothing runs here. */
  async run(over: AbortSignal, subject: () => HealthSubject | null, onIll: () => void): Promise<void> {
    const { env, config } = this.context;
    while (!over.aborted) {
      await env.clock.sleep(config.primary.checkInterval, over);
      const now = subject();
      if (now === null) {
        this.ill = null;
        continue;
      }
      for (const resource of this.keeper.list) await this.check(resource, now);
      if (this.ill !== null) onIll();
    }
  }

  private async check(resource: Resource, subject: HealthSubject): Promise<void> {
    const { env, config, history, self, board } = this.context;
    const { status, because } = await resource.status();
    if (subject.signal.aborted) return;
    const nowMs = env.clock.monotonicMs();
    const recent = (this.restartsMs.get(resource.name) ?? []).filter((at) => nowMs - at < hourMs);
    const { maxRestarts, barAfterFailure } = config.primary;
    const otherCandidates = status === 'stopped' ? await this.others() : 0;
    const judged = judgeHealth({
      name: resource.name,
      status,
      because,
      restarts: recent.length,
      maxRestarts,
      otherCandidates,
    });
    this.tellUnknown(resource.name, status === 'unknown' ? judged.because : null);
    if (judged.verdict === 'well') return;
    history.happened('resource', `${self.name}: ${judged.because}`, { node: self.name });
    if (judged.verdict === 'relinquish') {
      this.ill = judged.because;
      board.barredUntilMs = nowMs + barAfterFailure;
      board.barredBecause = judged.because;
      return;
    }
    this.restartsMs.set(resource.name, [...recent, nowMs]);
    await this.keeper.restart(resource, subject.facts, subject.signal);
  }

  private tellUnknown(name: string, because: string | null): void {
    if (because === null) this.unknownTold.delete(name);
    else if (!this.unknownTold.has(name)) {
      this.unknownTold.add(name);
      this.context.env.log.warn('resource status unknown', { because });
    }
  }
}
