/**
 * Whether a server of the store shows what the store itself refuses. ZooKeeper's servers each answer reads from a copy of their own,
 * and copies have come to differ (ZOOKEEPER-4712 and its kind; docs/FAILURES.md): then whoever is connected to the wrong one reads a
 * version, is refused with it, reads the same again, for ever. A server answers a refusal when it knows of everything that was
 * done before it, so a read after the refusal that shows the same still is no lag. Two rounds of it count, for a record that is
 * removed and made anew begins with the same version.
 */

/** What a write rests on: the path's version, or (null) that nothing is there. */
export type Expected = number | null;

export interface Contradiction {
  readonly path: string;
  readonly expected: Expected;
}

type Shown = { readonly ok: true; readonly version: number } | { readonly ok: false; readonly code: string };

/** A change, or a check: the version that it rests on; a create has none. */
interface Change {
  readonly kind: string;
  readonly path: string;
  readonly version?: number;
}

/** Paths that are remembered at once; the oldest go first. */
const pathsMax = 100;
/** So often every server is left for one path, at most. */
const roundMs = 60_000;

export class Contradictions {
  private readonly refused = new Map<string, { readonly expected: Expected; isShownAgain: boolean }>();
  private found: readonly { readonly path: string; readonly atMs: number }[] = [];

  /** A server answered a read of `path`. */
  read(path: string, shown: Shown): void {
    const before = this.refused.get(path);
    if (before === undefined || (!shown.ok && shown.code !== 'no-node')) return;
    if (before.expected === (shown.ok ? shown.version : null)) before.isShownAgain = true;
    else this.refused.delete(path);
  }

  /** The store did all of `changes`. */
  done(changes: readonly Change[]): void {
    for (const { path } of changes) this.refused.delete(path);
  }

  /** The store refused `change`. Returns the contradiction: for the second time, and a read between had shown what it rests on. */
  refuses({ kind, path, version }: Change, code: string): Contradiction | null {
    const isAboutThat = kind === 'create' ? code === 'node-exists' : code === 'bad-version' || code === 'no-node';
    if (!isAboutThat) return null;
    const expected = version ?? null;
    const before = this.refused.get(path);
    this.refused.delete(path);
    if (before?.expected === expected && before.isShownAgain) return { path, expected };
    const [oldest] = this.refused.keys();
    if (this.refused.size >= pathsMax && oldest !== undefined) this.refused.delete(oldest);
    this.refused.set(path, { expected, isShownAgain: false });
    return null;
  }

  /** Another server answers from now on. */
  forget(): void {
    this.refused.clear();
  }

  /**
   * A contradiction over `path` was found at `nowMs`, with one of `servers`: which of them in this round (1: the first)? Null: each had
   * its turn within the last minute, and to leave one more helps nobody.
   */
  turn(path: string, nowMs: number, servers: number): number | null {
    this.found = this.found.filter(({ atMs }) => nowMs - atMs < roundMs);
    const turn = this.found.filter((one) => one.path === path).length + 1;
    if (turn > servers) return null;
    this.found = [...this.found, { path, atMs: nowMs }];
    return turn;
  }
}

/** For people: what `server` did; `turn` as above. */
export function contradictionSentence(
  server: string,
  { path, expected }: Contradiction,
  turn: number,
  servers: number,
): string {
  const shows = expected === null ? `that there is no ${path}` : `version ${expected} of ${path}`;
  const then =
    turn < servers
      ? 'another server is asked from now on'
      : `that is so of ${servers === 1 ? 'its only server' : `${servers} servers in a minute`}, and none is left to go to`;
  return `ZooKeeper contradicts itself: ${server} shows ${shows}, and what rests on that is refused; ${then}`;
}
