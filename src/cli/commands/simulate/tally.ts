/** What many trials say together: distributions of times, and how often a healthy node was fenced. Pure. */
import type { Kind, Situation } from '../../../sim/trial/situations.ts';
import type { Trial } from '../../../sim/trial/trial.ts';

/** Of times in ms; null where nothing was measured. */
export interface Spread {
  readonly runs: number;
  /** Runs in which it did not happen. */
  readonly never: number;
  readonly medianMs: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  /** All that happened, the least first. */
  readonly sortedMs: readonly number[];
}

/** Disturbances that lasted between the two. */
export interface Bin {
  readonly fromMs: number;
  readonly toMs: number;
  readonly runs: number;
  readonly fenced: number;
}

export interface Tally {
  readonly name: string;
  readonly kind: Kind;
  readonly describe: string;
  readonly runs: number;
  readonly verdict: Spread;
  readonly off: Spread;
  /** What the primary runs works again. */
  readonly again: Spread;
  readonly vms: Spread;
  /** How long in all nobody could use what the primary runs. */
  readonly away: Spread;
  /** Runs in which at least one node was ordered off, and how many nodes that were. */
  readonly runsWithFence: number;
  readonly fences: number;
  readonly guards: Readonly<Record<string, number>>;
  /** By how long the disturbance lasted; empty: that does not vary. */
  readonly bins: readonly Bin[];
  readonly shortestFencedMs: number | null;
  readonly longestSparedMs: number | null;
  readonly findings: readonly { readonly seed: number; readonly rule: string; readonly text: string }[];
}

/** Bins to the time from the last keepalive to the verdict. */
const binsToVerdict = 5;

/** The least value that `share` of all do not exceed (nearest rank). */
function quantile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
}

export function spreadOf(values: readonly (number | null)[]): Spread {
  const sortedMs = values.filter((value) => value !== null).sort((a, b) => a - b);
  return {
    runs: values.length,
    never: values.length - sortedMs.length,
    medianMs: quantile(sortedMs, 0.5),
    p90Ms: quantile(sortedMs, 0.9),
    p99Ms: quantile(sortedMs, 0.99),
    maxMs: sortedMs.at(-1) ?? null,
    sortedMs,
  };
}

function binsOf(trials: readonly Trial[], widthMs: number): Bin[] {
  const longestMs = Math.max(0, ...trials.map(({ lastsMs }) => lastsMs ?? 0));
  return Array.from({ length: Math.ceil(longestMs / widthMs) }, (_, index) => {
    const fromMs = index * widthMs;
    const toMs = fromMs + widthMs;
    const within = trials.filter(({ lastsMs }) => lastsMs !== null && lastsMs > fromMs && lastsMs <= toMs);
    return { fromMs, toMs, runs: within.length, fenced: within.filter(({ shot }) => shot.length > 0).length };
  });
}

function guardsOf(trials: readonly Trial[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { guards } of trials)
    for (const [guard, times] of Object.entries(guards)) sum[guard] = (sum[guard] ?? 0) + times;
  return sum;
}

/** `detectionMs`: from the last keepalive to the verdict. */
export function tallyOf({ name, kind, describe }: Situation, trials: readonly Trial[], detectionMs: number): Tally {
  const fenced = trials.filter(({ shot }) => shot.length > 0);
  const lengths = (of: readonly Trial[]) => of.flatMap(({ lastsMs }) => lastsMs ?? []);
  const passes = kind === 'silence' || kind === 'trouble';
  const spared = trials.filter(({ shot }) => shot.length === 0);
  return {
    ...{ name, kind, describe },
    runs: trials.length,
    verdict: spreadOf(trials.map(({ verdictMs }) => verdictMs)),
    off: spreadOf(trials.map(({ offMs }) => offMs)),
    again: spreadOf(trials.map(({ servedMs }) => servedMs)),
    vms: spreadOf(trials.map(({ vmsMs }) => vmsMs)),
    away: spreadOf(trials.map(({ awayMs }) => awayMs)),
    runsWithFence: fenced.length,
    fences: trials.reduce((sum, { shot }) => sum + shot.length, 0),
    guards: guardsOf(trials),
    bins: kind === 'silence' ? binsOf(trials, detectionMs / binsToVerdict) : [],
    shortestFencedMs: passes && fenced.length > 0 ? Math.min(...lengths(fenced)) : null,
    longestSparedMs: passes && spared.length > 0 ? Math.max(...lengths(spared)) : null,
    findings: trials.flatMap(({ seed, findings }) => findings.map(({ rule, text }) => ({ seed, rule, text }))),
  };
}
