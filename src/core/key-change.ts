/**
 * A change of the cluster key in flight, as a sequence that no machine can be left behind in: learn (every node knows the new
 * key beside the old one), turn (every node writes with the new one), move (what stands in the store is given to it), forget
 * (the old one is taken away). Which step is next is read from what the nodes say they hold, never from what was ordered. A
 * node that knows too little is left behind; one that forgets the old key too early is caught up with by the move.
 */
export interface NodeKeys {
  readonly name: string;
  /** Names of the keys that its noded holds, the one that it writes with first; null: it does not say (of an older version). */
  readonly keys: readonly string[] | null;
  /** The key that its fence devices are sealed with; null: it has none, or that key is not held here. */
  readonly sealedWith: string | null;
}

export type KeyStep =
  /** Somebody writes with this key, and these nodes do not know it. */
  | { readonly kind: 'learn'; readonly key: string; readonly nodes: readonly string[] }
  /** These write with another one than this machine. */
  | { readonly kind: 'turn'; readonly nodes: readonly string[] }
  /** Every node writes with the first key; older records still belong to another one. */
  | { readonly kind: 'move'; readonly paths: number; readonly sealed: readonly string[] }
  /** All is written with the first key. Others are held beside it, new ones or old ones: only a person knows. */
  | { readonly kind: 'spare'; readonly keys: readonly string[]; readonly lacking: readonly string[] }
  | { readonly kind: 'done' };

/** `held`: the keys of this machine, first one first. `paths`: how many paths belong to each of them. */
export function keyStep(held: readonly string[], nodes: readonly NodeKeys[], paths: readonly number[]): KeyStep {
  const [first = '', ...others] = held;
  const named = (fits: (node: NodeKeys) => boolean) => nodes.filter(fits).map(({ name }) => name);
  const writers = new Set([first, ...nodes.flatMap(({ keys }) => keys?.slice(0, 1) ?? [])]);
  for (const key of writers) {
    const lacking = named(({ keys }) => keys?.includes(key) !== true);
    if (lacking.length > 0) return { kind: 'learn', key, nodes: lacking };
  }
  const unturned = named(({ keys }) => keys?.[0] !== first);
  if (unturned.length > 0) return { kind: 'turn', nodes: unturned };
  const left = paths.slice(1).reduce((all, count) => all + count, 0);
  const sealed = named(({ sealedWith }) => sealedWith !== null && others.includes(sealedWith));
  if (left > 0 || sealed.length > 0) return { kind: 'move', paths: left, sealed };
  const spare = [...new Set([...others, ...nodes.flatMap(({ keys }) => keys?.slice(1) ?? [])])];
  if (spare.length === 0) return { kind: 'done' };
  return { kind: 'spare', keys: spare, lacking: named(({ keys }) => spare.some((key) => !keys?.includes(key))) };
}
