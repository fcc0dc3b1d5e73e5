/**
 * How many things each list, map and set of an object holds, and of the objects that it holds: for the operator's dump, and for the
 * test that a long life piles nothing up. It looks at fields as they are, so that a new list is counted without being entered
 * anywhere. Counts and names of fields only, never a value (S10).
 */

/** What all loops share, and what does not grow; the store tells its own counts. */
const shared = ['env', 'context', 'config', 'settings'];
/** Deep enough for a list in an object of a loop of the agent. */
const depthMax = 5;

/** Field path -> how many; what is empty is left out. */
export function inventory(root: object): Record<string, number> {
  const found: Record<string, number> = {};
  const seen = new Set<object>();
  const look = (value: unknown, path: string, depth: number): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    const size = sizeOf(value);
    if (size !== null) {
      if (size > 0) found[path] = size;
      return;
    }
    if (depth >= depthMax) return;
    for (const [name, field] of Object.entries(value))
      if (!shared.includes(name)) look(field, path === '' ? name : `${path}.${name}`, depth + 1);
  };
  look(root, '', 0);
  return found;
}

function sizeOf(value: object): number | null {
  if (value instanceof Map || value instanceof Set) return value.size;
  return Array.isArray(value) ? value.length : null;
}
