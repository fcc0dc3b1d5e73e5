/** Where two logs part, with what stands around it. */
const around = 3;

/** Null: they are the same. */
export function firstDifference(expected: string, happened: string): string | null {
  if (expected === happened) return null;
  const [before, now] = [expected.split('\n'), happened.split('\n')];
  let at = 0;
  while (before[at] === now[at]) at += 1;
  const lines = (mark: string, from: readonly string[]) => from.slice(at, at + around).map((line) => `${mark} ${line}`);
  const same = before.slice(Math.max(0, at - around), at).map((line) => `  ${line}`);
  return [`line ${at + 1}:`, ...same, ...lines('-', before), ...lines('+', now)].join('\n');
}
