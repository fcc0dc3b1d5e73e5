/** What differs between two configurations, and what of it a running noded takes up (SIGHUP). Pure. */
import type { Config } from './load.ts';

/** All else is published, or other values were derived from it: it takes a new life, which costs no fence. */
const takenUp: readonly string[] = ['log.level'];

export interface Changes {
  /** Keys that a running noded takes up. */
  readonly now: string[];
  /** Keys that wait for a restart. */
  readonly later: string[];
}

export function changesOf(before: Config, after: Config): Changes {
  const [old, fresh] = [leaves(before), leaves(after)];
  const keys = [...new Set([...old.keys(), ...fresh.keys()])].filter(
    (key) => !key.startsWith('timing.') && old.get(key) !== fresh.get(key),
  );
  return {
    now: keys.filter((key) => takenUp.includes(key)),
    later: keys.filter((key) => !takenUp.includes(key)),
  };
}

/** Path -> value; a list is one value. */
function leaves(value: object, path = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, child] of Object.entries(value) as [string, unknown][]) {
    if (child === undefined) continue;
    if (typeof child === 'object' && child !== null && !Array.isArray(child))
      for (const [name, leaf] of leaves(child, `${path}${key}.`)) found.set(name, leaf);
    else found.set(`${path}${key}`, JSON.stringify(child));
  }
  return found;
}
