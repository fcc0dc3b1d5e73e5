/** Durations as people write them: `5s`, `400ms`, `1m30s`, `2h`. Pure. */
const unitsMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** Milliseconds of a written duration; null when it is none. A number without a unit is refused: 5 what? */
export function parseDuration(text: string): number | null {
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
    total += Number(amount) * unitsMs[unit as keyof typeof unitsMs];
  }
  return Math.round(total);
}

/** The shortest exact way to write a duration, e.g. 90000 -> `90s`, 1500 -> `1500ms`. */
export function printDuration(ms: number): string {
  for (const unit of ['h', 'm', 's'] as const) {
    if (ms !== 0 && ms % unitsMs[unit] === 0) return `${ms / unitsMs[unit]}${unit}`;
  }
  return `${ms}ms`;
}
