/**
 * The highest epoch of the role that a worker has seen, and who held it. It contends for nothing, but may be the only one left that can
 * tell a coordinator, after ZooKeeper was restored from an old copy, who took the role after the copy (S1). A coordinator remembers it on
 * its disk (primary/epoch-memory.ts).
 */
import type { Context } from './context.ts';
import { readPrimary } from './primary/primary-file.ts';

export class SeenEpochs {
  private readonly context: Context;

  constructor(context: Context) {
    this.context = context;
  }

  async look(): Promise<void> {
    const { board } = this.context;
    const file = await readPrimary(this.context);
    if (file?.readable !== true || file.record.epoch < board.epochSeen.epoch) return;
    const { epoch, state, holder, incarnation } = file.record;
    const isHeld = state !== 'none' && holder !== null && incarnation !== null;
    board.epochSeen = { epoch, holder: isHeld ? { name: holder, incarnation } : null };
  }
}
