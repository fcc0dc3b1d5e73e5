/** The same line again and again is counted, not repeated: the first is written, then one a minute with how many there were. */
export interface Repeats {
  /** How many were held back since the last one that was written; null: this one is held back too. */
  pass(line: string): number | null;
  /** What was held back and is due: each with its count. `all`: due or not. */
  due(all?: boolean): { readonly line: string; readonly count: number }[];
}

interface Seen {
  sinceMs: number;
  heldBack: number;
}

const windowMs = 60_000;
/** Different lines that are remembered at the same time. */
const seenMax = 500;

export function repeats(nowMs: () => number): Repeats {
  const seen = new Map<string, Seen>();
  return {
    pass(line) {
      const before = seen.get(line);
      const now = nowMs();
      if (before !== undefined && now - before.sinceMs < windowMs) {
        before.heldBack += 1;
        return null;
      }
      // Lines of which nothing is owed make room; one that is owed stays until it is due.
      if (before === undefined && seen.size >= seenMax) {
        const [free] = [...seen].find(([, { heldBack }]) => heldBack === 0) ?? [];
        if (free === undefined) return 0;
        seen.delete(free);
      }
      seen.delete(line);
      seen.set(line, { sinceMs: now, heldBack: 0 });
      return before?.heldBack ?? 0;
    },
    due(all = false) {
      const now = nowMs();
      const found = [...seen].filter(([, { sinceMs }]) => all || now - sinceMs >= windowMs);
      for (const [line] of found) seen.delete(line);
      return found.flatMap(([line, { heldBack }]) => (heldBack === 0 ? [] : [{ line, count: heldBack }]));
    },
  };
}
