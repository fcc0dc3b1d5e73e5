/** The health of the running resources, on a slow beat: what died is restarted a bounded number of times. */
import type { ResourceStatus } from '../../core/resources.ts';
import { failureOf, judgeHealth } from '../../core/resources.ts';
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
  /** How many checks in a row did not learn a resource's status. */
  private readonly unknownChecks = new Map<string, number>();
  private readonly told = new Map<string, string>();
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
    const { name } = resource;
    const { status, because } = await resource.status();
    if (subject.signal.aborted) return;
    const nowMs = env.clock.monotonicMs();
    const recent = (this.restartsMs.get(name) ?? []).filter((at) => nowMs - at < hourMs);
    const { maxRestarts, barAfterFailure, statusUnknownLimit } = config.primary;
    const seen = {
      name,
      status,
      because,
      unknownChecks: this.countUnknown(name, status),
      unknownLimit: statusUnknownLimit,
    };
    const failed = failureOf(seen) !== null;
    const otherCandidates = failed ? await this.others() : 0;
    const judged = judgeHealth({ ...seen, restarts: recent.length, maxRestarts, otherCandidates });
    this.tellWait(name, judged.verdict === 'wait' ? judged.because : null, failed);
    if (judged.verdict === 'well' || judged.verdict === 'wait') return;
    history.happened('resource', `${self.name}: ${judged.because}`, { node: self.name });
    if (judged.verdict === 'relinquish') {
      this.ill = judged.because;
      board.barredUntilMs = nowMs + barAfterFailure;
      board.barredBecause = judged.because;
      return;
    }
    this.unknownChecks.delete(name);
    this.restartsMs.set(name, [...recent, nowMs]);
    await this.keeper.restart(resource, status, subject.facts, subject.signal);
  }

  private countUnknown(name: string, status: ResourceStatus): number {
    const checks = status === 'unknown' ? (this.unknownChecks.get(name) ?? 0) + 1 : 0;
    this.unknownChecks.set(name, checks);
    return checks;
  }

  /** Once when it begins, and once when nothing more can be done about it. */
  private tellWait(name: string, because: string | null, failed: boolean): void {
    const mark = because === null ? 'well' : failed ? 'left' : 'waiting';
    if (because !== null && this.told.get(name) !== mark)
      this.context.env.log.warn('resource status unknown', { because });
    this.told.set(name, mark);
  }
}
