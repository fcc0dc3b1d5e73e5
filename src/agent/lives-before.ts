/**
 * Which lives of each node were seen before ZooKeeper was restored from an old copy, by this noded, by its former life, or by those that
 * it asked. The copy may show an older life as stopped or confirmed off while a newer one holds the role or runs guests: such a record
 * counts only if it is about the one life that is remembered here. It may also show a life as running that has stopped since: that one
 * is not fenced for its silence. What is remembered is replaced by nothing but keepalives of now, so it outlasts the next restore too.
 */
import type { Life } from '../records/api.ts';

/** One may be of the copy, and one on its way when the restore was seen. */
const keepalivesNeeded = 3;

interface Published {
  readonly incarnation: string;
  readonly sequence: number;
  readonly count: number;
}

/** The keepalive of a node at the first look after the restore: only that one can be of the copy. Null: there was none. */
type FirstLook = Pick<Published, 'incarnation' | 'sequence'> | null;

export class LivesBefore {
  /** By node, then by incarnation: the sequence of its keepalive `stop`; null: none was seen. */
  private readonly lives = new Map<string, Map<string, number | null>>();
  /** Nodes that were found off since the last restore, and which life the record of that names. */
  private readonly foundOff = new Map<string, string>();
  /** What each node has published since the last restore; null: there was none. */
  private published: Map<string, Published> | null = null;
  /** What the store showed of each node at the first look after the last restore. */
  private readonly first = new Map<string, FirstLook>();
  /** The last keepalive of lives that stopped, whether or not a restore is known of: what is older is of a copy. */
  private readonly stops = new Map<string, Map<string, number>>();
  /** Lives that had failed all saving throws when a restore was seen, and have published nothing since: they had not stopped cleanly. */
  private readonly deadBefore = new Map<string, string>();

  /** ZooKeeper was restored, and these lives had been seen here; `dead`: those of them that were held for dead. */
  setBack(seen: Iterable<Life>, dead: Iterable<readonly [string, string]> = []): void {
    this.published = new Map();
    this.first.clear();
    this.foundOff.clear();
    for (const [name, incarnation] of dead) this.deadBefore.set(name, incarnation);
    this.add(seen);
  }

  /** A life more is one more that may be running: nothing is forgotten. */
  add(seen: Iterable<Life>): void {
    for (const { name, incarnation, stoppedAt } of seen) {
      const lives = this.lives.get(name) ?? new Map<string, number | null>();
      this.lives.set(name, lives.set(incarnation, stoppedAt ?? lives.get(incarnation) ?? null));
    }
  }

  /** What is told of lives that stopped is true in every store, restored or not. */
  addStops(seen: Iterable<Life>): void {
    for (const { name, incarnation, stoppedAt } of seen) {
      if (stoppedAt === null) continue;
      const stops = this.stops.get(name) ?? new Map<string, number>();
      this.stops.set(name, stops.set(incarnation, Math.max(stoppedAt, stops.get(incarnation) ?? 0)));
    }
  }

  /** The store shows no keepalive of this node: one that appears later is of now. */
  seeNone(name: string): void {
    if (this.published !== null && !this.first.has(name)) this.first.set(name, null);
  }

  /** A keepalive that the store shows. A life that goes on publishing since the restore is the newest one. */
  see({ name, incarnation }: Pick<Life, 'name' | 'incarnation'>, sequence: number): void {
    const { published } = this;
    if (published === null) return;
    const first = this.first.get(name);
    // A smaller one of the same life is of an older copy.
    if (first === undefined || (first?.incarnation === incarnation && sequence < first.sequence))
      this.first.set(name, { incarnation, sequence });
    if (this.isOfNow(name, incarnation, sequence)) this.deadBefore.delete(name);
    const before = published.get(name);
    const isSame = before?.incarnation === incarnation;
    if (isSame && before.sequence === sequence) return;
    // A smaller one is of an older copy, or was read before the restore.
    const count = isSame && sequence > before.sequence ? Math.min(before.count + 1, keepalivesNeeded) : 1;
    published.set(name, { incarnation, sequence, count });
    if (count !== keepalivesNeeded) return;
    if (this.foundOff.get(name) !== incarnation) this.foundOff.delete(name);
    this.lives.set(name, new Map([[incarnation, this.lives.get(name)?.get(incarnation) ?? null]]));
  }

  /** The newest life of a node; undefined: nothing is known. Of several nobody knows which it is, and the answer names none of them. */
  get(name: string): string | undefined {
    const lives = this.lives.get(name);
    return lives === undefined ? undefined : [...lives.keys()].join(' or ');
  }

  /**
   * Whether the node had stopped cleanly before the restore, so that this keepalive is of the copy, whatever it says: the incarnation's own
   * `stop` was seen, or that of a later one, and this one is not heard publishing now.
   */
  hasStopped(name: string, incarnation: string, sequence: number): boolean {
    if (sequence <= (this.stops.get(name)?.get(incarnation) ?? -1)) return true;
    const lives = this.lives.get(name);
    if (lives === undefined) return false;
    const stoppedAt = lives.get(incarnation);
    if (stoppedAt !== undefined) return stoppedAt !== null && sequence <= stoppedAt;
    if ([...lives.values()].includes(null)) return false;
    return !this.isOfNow(name, incarnation, sequence);
  }

  /**
   * Whether this keepalive may be of the copy, and nobody here can say that the node did not stop cleanly after it: its silence is no sign
   * that anything is wrong with it. The stop may have been the last that was written before the store went away.
   */
  mayHaveStopped(name: string, incarnation: string, sequence: number): boolean {
    if (this.published === null || this.isOfNow(name, incarnation, sequence)) return false;
    return this.deadBefore.get(name) !== incarnation;
  }

  /** Only what stood in the store at the first look after the restore can be of the copy. */
  private isOfNow(name: string, incarnation: string, sequence: number): boolean {
    const first = this.first.get(name);
    if (this.published === null || first === undefined) return false;
    return first === null || first.incarnation !== incarnation || sequence > first.sequence;
  }

  /**
   * Whether this is certainly the newest life of its node: what the store says of it is about all that may run there. Without a restore
   * the store itself says which life is the newest.
   */
  isNewest(name: string, incarnation: string | null): boolean {
    if (this.published === null) return true;
    const lives = this.lives.get(name);
    if (incarnation === null) return false;
    if (lives?.size === 1 && lives.has(incarnation)) return true;
    const shown = this.published.get(name);
    return shown?.incarnation === incarnation && this.isOfNow(name, incarnation, shown.sequence);
  }

  /**
   * Power was read off, or an operator confirmed it, since the restore; the record names this life. All lives of the machine are over. (The
   * bound of a watchdog says nothing of the machine: it ends the life that armed it.)
   */
  off(name: string, incarnation: string): void {
    this.lives.set(name, new Map([[incarnation, null]]));
    this.foundOff.set(name, incarnation);
  }

  /** Whether a record of a fence of this life was made since the restore: it is about the machine, whichever of its lives held something. */
  isOffSince(name: string, incarnation: string | null): boolean {
    return incarnation !== null && this.foundOff.get(name) === incarnation;
  }

  all(): Life[] {
    return [...this.lives].flatMap(([name, lives]) =>
      [...lives].map(([incarnation, stoppedAt]) => ({ name, incarnation, stoppedAt })),
    );
  }
}
