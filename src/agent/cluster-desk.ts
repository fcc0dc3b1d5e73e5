/**
 * The cluster as this noded's store shows it, for who watches from outside. Its reads share the session with the keepalive, so
 * they are made once for everybody who asks, and take at most a tenth of the time (S8).
 */
import type { ClusterPicture } from '../records/api.ts';
import { viewCluster } from '../view/cluster-view.ts';
import type { NamedEvent } from '../view/events.ts';
import { viewEvents } from '../view/events.ts';
import type { Context } from './context.ts';

const everyMs = 1000;
const readingPart = 10;
const eventsKept = 200;

export class ClusterDesk {
  private readonly context: Context;
  private last: ClusterPicture | null = null;
  private events: readonly NamedEvent[] = [];
  /** Why the last look gave nothing; null: it did. */
  private trouble: string | null = null;
  /** When (own monotonic clock) the next look may begin. */
  private notBeforeMs = -Infinity;
  private looking: Promise<void> | null = null;

  constructor(context: Context) {
    this.context = context;
  }

  /** Null: nothing was ever seen. `because`: why it is old, if it is. */
  async picture(): Promise<{ readonly picture: ClusterPicture | null; readonly because: string | null }> {
    const { clock, store } = this.context.env;
    if (clock.monotonicMs() >= this.notBeforeMs) this.looking ??= this.look().finally(() => (this.looking = null));
    await this.looking;
    const away = store.session().state === 'connected' ? null : 'this noded has no session with ZooKeeper';
    return { picture: this.last, because: away ?? this.trouble };
  }

  private async look(): Promise<void> {
    const { env, config, self } = this.context;
    const startMs = env.clock.monotonicMs();
    const [read, found] = await Promise.all([
      viewCluster(env.store, config, env.clock.wallMs()),
      viewEvents(env.store, this.events.at(-1) ?? null, eventsKept),
    ]);
    const tookMs = env.clock.monotonicMs() - startMs;
    this.notBeforeMs = startMs + Math.max(everyMs, tookMs * readingPart);
    this.trouble = read.ok ? null : read.because;
    if (found.ok) this.events = [...this.events, ...found.events].slice(-eventsKept);
    if (!read.ok) return;
    this.last = {
      seenBy: self.name,
      wallMs: env.clock.wallMs(),
      savingThrows: config.detection.savingThrows,
      deadAfterMs: config.timing.detectionMs,
      leaseMs: config.timing.leaseMs,
      view: read.view,
      events: this.events.map(({ event }) => event),
    };
  }
}
