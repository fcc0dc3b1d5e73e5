/** What a loop waits by: time, or somebody who rings. A ring while nobody waits is not lost: the next wait ends at once. */
import type { Clock } from '../environment/clock.ts';

/** Without a reason Node.js makes an error, stack included, at each ring. */
const rung = 'rung';

export class Bell {
  private readonly clock: Clock;
  private ringing = new AbortController();
  readonly ring = (): void => this.ringing.abort(rung);

  /** It also rings, once, when one of `signals` is aborted. */
  constructor(clock: Clock, ...signals: readonly AbortSignal[]) {
    this.clock = clock;
    for (const signal of signals) signal.addEventListener('abort', this.ring);
  }

  hasRung(): boolean {
    return this.ringing.signal.aborted;
  }

  /** To be called before the look that the next wait follows: what rings from here on ends that wait. */
  listen(): void {
    if (this.hasRung()) this.ringing = new AbortController();
  }

  /** Waits until it rings, at most `ms`. */
  wait(ms: number): Promise<void> {
    return this.clock.sleep(ms, this.ringing.signal);
  }
}
