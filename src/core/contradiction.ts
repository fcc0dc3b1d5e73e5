/**
 * Whether a server of the store shows what the store itself refuses. ZooKeeper's servers each answer reads from a copy of their own,
 * and copies have come to differ (ZOOKEEPER-4712 and its kind; docs/FAILURES.md): then whoever is connected to the wrong one reads a
 * version, is refused with it, reads the same again, for ever. A server answers a refusal when it knows of everything that was
 * done before it, so a read after the refusal that shows the same still is no lag. Two rounds of it count, for a record that is
 * removed and made anew begins with the same version. A server that lacks a whole branch refuses what is made below it ("no node"), and the
 * store refuses to make the branch, which stands; that too is such a read. (The child was made nonetheless: agent/lock.ts.)
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
/** So long a server counts as wrong about a path. */
const wrongForMs = 60_000;

/**
 * So long a refusal is remembered. Whoever is held by a wrong server tries the same write again: with each beat (at most a minute), in the
 * next round of a fence or of the verifier (5 min by default); twice that is time for one that comes late. Two refusals that lie further
 * apart are two lost races over records that were removed and made anew in between.
 */
const refusedForMs = 600_000;

/** A refusal. */
interface Refused {
  readonly expected: Expected;
  readonly sinceMs: number;
  isShownAgain: boolean;
}

/** A server that is wrong about a path. */
interface Wrong {
  readonly sinceMs: number;
  /** When it was left for that. */
  readonly leftMs: number;
}

/** What a store does about a contradiction. */
export interface Judgement {
  /** It is said: not within the last minute of this server and path. */
  readonly isNews: boolean;
  /** This server is left for the next one. */
  readonly leaves: boolean;
  /** Servers that are wrong about this path, this one included. */
  readonly wrong: number;
}

export class Contradictions {
  private readonly refused = new Map<string, Refused>();
  /** By path, by server. */
  private readonly wrong = new Map<string, Map<string, Wrong>>();
  private readonly patienceMs: number;

  /** After so many ms a server is left once more for one that has not been asked yet: that may have been away for a moment. */
  constructor(patienceMs: number) {
    this.patienceMs = patienceMs;
  }

  /** A server answered a read of `path`. */
  read(path: string, shown: Shown): void {
    const before = this.refused.get(path);
    if (before === undefined || (!shown.ok && shown.code !== 'no-node')) return;
    if (before.expected === (shown.ok ? shown.version : null)) before.isShownAgain = true;
    else this.refused.delete(path);
  }

  /** The store did all of `changes`. */
  done(changes: readonly Change[]): void {
    for (const { kind, path } of changes) {
      this.refused.delete(path);
      this.wrong.delete(path); // it is the same everywhere from now on
      if (kind !== 'check') this.hasBranchesOf(path);
    }
  }

  /**
   * What is done below a branch is done by this server, too, so it has that branch: the race to make it was lost, no more. It says nothing of
   * the branch's version, nor does a check, which only the leader makes.
   */
  private hasBranchesOf(path: string): void {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const branch = path.slice(0, end);
      if (this.refused.get(branch)?.expected === null) this.refused.delete(branch);
    }
  }

  /** The store refused `change` at `nowMs`. Returns the contradiction: for the second time, and a read between had shown what it rests on. */
  refuses({ kind, path, version }: Change, code: string, nowMs: number): Contradiction | null {
    if (kind === 'create' && code === 'no-node') {
      const parent = this.refused.get(path.slice(0, path.lastIndexOf('/')));
      if (parent?.expected === null) parent.isShownAgain = true;
    }
    const isAboutThat = kind === 'create' ? code === 'node-exists' : code === 'bad-version' || code === 'no-node';
    if (!isAboutThat) return null;
    const expected = version ?? null;
    const before = this.refused.get(path);
    this.refused.delete(path);
    const isRecent = before !== undefined && nowMs - before.sinceMs < refusedForMs;
    if (isRecent && before.expected === expected && before.isShownAgain) return { path, expected };
    const [oldest] = this.refused.keys();
    if (this.refused.size >= pathsMax && oldest !== undefined) this.refused.delete(oldest);
    this.refused.set(path, { expected, sinceMs: nowMs, isShownAgain: false });
    return null;
  }

  /** Another server answers from now on. */
  forget(): void {
    this.refused.clear();
  }

  /**
   * `server`, one of `servers`, contradicted itself over `path` at `nowMs`. It is left as long as one of the others may know better: at
   * once when it is the first time, else with patience, for whoever is connected nowhere proves nothing. When all of them are wrong, to
   * leave one more helps nobody.
   */
  judge(path: string, server: string, nowMs: number, servers: number): Judgement {
    for (const [at, known] of this.wrong) {
      for (const [name, { sinceMs }] of known) if (nowMs - sinceMs >= wrongForMs) known.delete(name);
      if (known.size === 0) this.wrong.delete(at);
    }
    const known = this.wrong.get(path) ?? new Map<string, Wrong>();
    this.wrong.set(path, known);
    const isNews = !known.has(server);
    const { sinceMs = nowMs, leftMs = -Infinity } = known.get(server) ?? {};
    const leaves = known.size + (isNews ? 1 : 0) < servers && nowMs - leftMs >= this.patienceMs;
    known.set(server, { sinceMs, leftMs: leaves ? nowMs : leftMs });
    return { isNews, leaves, wrong: known.size };
  }
}

/** For people: what `server` did; `wrong` as above. */
export function contradictionSentence(
  server: string,
  { path, expected }: Contradiction,
  wrong: number,
  servers: number,
): string {
  const shows = expected === null ? `that there is no ${path}` : `version ${expected} of ${path}`;
  const then =
    wrong < servers
      ? 'another server is asked from now on'
      : `that is so of ${servers === 1 ? 'its only server' : `${servers} servers in a minute`}, and none is left to go to`;
  return `ZooKeeper contradicts itself: ${server} shows ${shows}, and what rests on that is refused; ${then}`;
}
