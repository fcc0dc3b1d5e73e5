/**
 * Devices that may have just restarted (S4): one that did not answer, or refused an order in its present state, reports off for a
 * while whatever its machine does. Each moment is one of the own monotonic clock; what others met counts from when it was heard of.
 */
import type { Clock } from '../../environment/clock.ts';

/** A BMC that has just restarted reports off for up to this long, whatever the machine does. */
export const restartSettleMs = 60_000;
/** A question that is open for longer counts as silence for as long as it is open. */
const openMs = 1000;
/** Refusals that lie further apart are not one row. Longer than any pause between the attempts of a fence. */
const rowMs = 30 * 60_000;

interface Row {
  readonly firstMs: number;
  readonly lastMs: number;
}

export class Settling {
  private readonly clock: Clock;
  private readonly silentAtMs = new Map<string, number>();
  private readonly saidSilentAtMs = new Map<string, number>();
  private readonly onAtMs = new Map<string, number>();
  private readonly refused = new Map<string, Row>();
  private readonly open = new Map<string, Set<{ readonly begunMs: number }>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** It did not answer. */
  silent(where: string): void {
    this.silentAtMs.set(where, this.clock.monotonicMs());
  }

  /** Others say that it did not answer. */
  saidSilent(where: string): void {
    this.saidSilentAtMs.set(where, this.clock.monotonicMs());
  }

  /** It read on: whatever it was, it is over. */
  readOn(where: string): void {
    this.silentAtMs.delete(where);
    this.saidSilentAtMs.delete(where);
    this.refused.delete(where);
    this.onAtMs.set(where, this.clock.monotonicMs());
  }

  /**
   * It refused an order. A machine that is off for good is refused again and again: the first refusal of a row counts, so that a fence
   * comes to an end.
   */
  refusedOrder(where: string): void {
    const nowMs = this.clock.monotonicMs();
    const row = this.refused.get(where);
    const isSame = row !== undefined && nowMs - row.lastMs < rowMs;
    this.refused.set(where, { firstMs: isSame ? row.firstMs : nowMs, lastMs: nowMs });
  }

  /** A question begins; to be called when it has ended. */
  asks(where: string): () => void {
    const question = { begunMs: this.clock.monotonicMs() };
    const questions = this.open.get(where) ?? new Set();
    questions.add(question);
    this.open.set(where, questions);
    return () => {
      questions.delete(question);
      if (questions.size === 0 && this.open.get(where) === questions) this.open.delete(where);
    };
  }

  /** How long a reading of off proves nothing yet, in ms; 0: it counts. */
  leftMs(where: string): number {
    return Math.max(this.silenceLeftMs(where), this.leftOf(this.refused.get(where)?.firstMs));
  }

  /** The same by its silence alone. */
  silenceLeftMs(where: string): number {
    return Math.max(this.metSilenceLeftMs(where), this.leftOf(this.saidSilentAtMs.get(where)));
  }

  /** The same by what this coordinator has met itself: that alone is told on, so that nothing goes round. */
  metSilenceLeftMs(where: string): number {
    const nowMs = this.clock.monotonicMs();
    const isOpen = [...(this.open.get(where) ?? [])].some(({ begunMs }) => nowMs - begunMs >= openMs);
    return isOpen ? restartSettleMs : this.leftOf(this.silentAtMs.get(where));
  }

  /** Whether a question ended a moment ago without an answer. */
  endedInSilence(where: string): boolean {
    return this.leftOf(this.silentAtMs.get(where)) > 0;
  }

  /** Whether it has refused an order, and has not read on since. */
  hasRefused(where: string): boolean {
    const row = this.refused.get(where);
    return row !== undefined && this.clock.monotonicMs() - row.lastMs < rowMs;
  }

  private leftOf(sinceMs = -Infinity): number {
    return Math.max(0, sinceMs + restartSettleMs - this.clock.monotonicMs());
  }

  /** Whether it read on in a question that began later than that. */
  hasReadOnSince(where: string, atMs: number): boolean {
    return (this.onAtMs.get(where) ?? -Infinity) > atMs;
  }

  /** Places that no node names any more, and what counts no more. */
  forget(isKnown: (where: string) => boolean): void {
    for (const map of [this.silentAtMs, this.saidSilentAtMs, this.onAtMs, this.refused])
      for (const where of map.keys()) if (!isKnown(where)) map.delete(where);
  }
}
