/**
 * The monitor and the fencing loop. What they remember (who was silent, who is recorded as off, which requests are answered) is of the
 * store that they read. When that was restored from an old copy both are made anew: every count begins at zero, the quiet period of
 * a new session holds, and requests that stand there already are taken only when their nodectl has outlived its old session.
 */
import type { Beat, Context } from './context.ts';
import { FencingLoop } from './fencing/fencing.ts';
import { Monitor } from './monitor.ts';
import type { HearKeepalive } from './monitors-heard.ts';
import type { Peers } from './peers.ts';

interface Watching {
  readonly over: AbortController;
  readonly monitor: Monitor;
  readonly fencing: FencingLoop;
}

export class Watch {
  private readonly context: Context;
  private readonly peers: Peers;
  /** Hears what each keepalive says of a restore. */
  private readonly onKeepalive: HearKeepalive;
  private current: Watching;
  /** What older ones are still about: each comes to a safe point. */
  private readonly ending = new Set<Promise<void>>();

  constructor(context: Context, peers: Peers, onKeepalive: HearKeepalive) {
    this.context = context;
    this.onKeepalive = onKeepalive;
    this.peers = peers;
    this.current = this.begin();
  }

  look(beat: Beat): Promise<void> {
    return this.current.monitor.look(beat);
  }

  beginAgain(): void {
    const { over, fencing } = this.current;
    over.abort();
    const settled = fencing.settle().finally(() => this.ending.delete(settled));
    this.ending.add(settled);
    const { board } = this.context;
    for (const seen of [board.peers, board.heldBack]) seen.clear();
    board.underFence = new Set();
    this.current = this.begin();
  }

  async settle(): Promise<void> {
    await Promise.all([this.current.fencing.settle(), ...this.ending]);
  }

  private begin(): Watching {
    const over = new AbortController();
    const context = { ...this.context, duties: AbortSignal.any([this.context.duties, over.signal]) };
    const fencing: FencingLoop = new FencingLoop(context, this.peers, () => monitor.presentCoordinators());
    const monitor: Monitor = new Monitor(context, this.peers, fencing, this.onKeepalive);
    return { over, monitor, fencing };
  }
}
