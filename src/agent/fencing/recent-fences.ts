/**
 * How old the fences in a node's record are (loop guard). Each was written with the wall clock of its fencer, which may be wrong, or be
 * set, by any amount (S5): what counts is for how long this coordinator has itself seen it in the record, by its own monotonic clock. What
 * it has not seen for an hour counts as recent: in doubt a node stays off, and waits for a person.
 */
import { FenceRecord, hourMs } from '../../records/fence.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';

/** Fences that are over are in no ledger: all records are looked at this often, or after a start nothing would ever grow old. */
const lookEveryMs = hourMs / 2;

/** A record of `target` was read: what stands in it from now on, and since when it was seen (own monotonic clock). */
export function sawFences({ board, env }: Context, target: string, { recentWallMs }: FenceRecord): void {
  if (recentWallMs.length === 0 && !board.fencesSeen.has(target)) return;
  const before = board.fencesSeen.get(target);
  const nowMs = env.clock.monotonicMs();
  board.fencesSeen.set(target, new Map(recentWallMs.map((at) => [at, before?.get(at) ?? nowMs])));
}

/** Whether this coordinator has seen that fence of `target` (by its wall time in the record) for an hour. */
export function isOldFence({ board, env }: Context, target: string, at: number): boolean {
  const sinceMs = board.fencesSeen.get(target)?.get(at);
  return sinceMs !== undefined && env.clock.monotonicMs() - sinceMs >= hourMs;
}

/** Reads all records once in a while. */
export class FencesWatch {
  private lookedMs: number | null = null;

  /** Called with each look of the fencing loop. */
  async look(context: Context, names: readonly string[]): Promise<void> {
    const nowMs = context.env.clock.monotonicMs();
    this.lookedMs ??= nowMs;
    if (nowMs - this.lookedMs < lookEveryMs) return;
    this.lookedMs = nowMs;
    for (const name of context.board.fencesSeen.keys())
      if (!names.includes(name)) context.board.fencesSeen.delete(name);
    for (const name of names) {
      const read = await context.env.store.read(tree.fence(name));
      const parsed = read.ok ? parseRecord(FenceRecord, read.text) : null;
      if (parsed?.ok === true) sawFences(context, name, parsed.record);
    }
  }
}
