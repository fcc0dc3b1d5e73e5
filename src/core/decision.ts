/**
 * What every decision of nodekeeper looks like: the verdict, a sentence that says why, and the facts it rests on (S11).
 *
 * The sentence is what is logged, recorded in the store, shown by nodectl and asserted by the tests; there is no second
 * wording of it anywhere. (Idea: Patroni's one sentence per cycle.)
 */
export type Fact = string | number | boolean | null | readonly (string | number)[];
export type Evidence = Readonly<Record<string, Fact>>;

export interface Decision<Verdict extends string> {
  readonly verdict: Verdict;
  /** A whole sentence, readable at three in the morning. */
  readonly because: string;
  readonly evidence: Evidence;
}

/** Builds a decision; exists so that a decision can never be made without its reason. */
export function decide<Verdict extends string>(
  verdict: Verdict,
  because: string,
  evidence: Evidence = {},
): Decision<Verdict> {
  return { verdict, because, evidence };
}

/** "4.2 s", "350 ms": how durations are written in every sentence. */
export function inWords(ms: number): string {
  if (Math.abs(ms) < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  return seconds < 120 ? `${Number(seconds.toFixed(1))} s` : `${Number((seconds / 60).toFixed(1))} min`;
}
