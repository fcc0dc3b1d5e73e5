/**
 * Which lives of each node were seen before ZooKeeper was restored from an old copy, by this noded, by its former life, or by those that
 * it asked. The copy may show an older life as stopped or confirmed off while a newer one holds the role or runs guests: such a record
 * counts only if it is about the one life that is remembered here. It may also show a life as running that has stopped since: that one
 * is not fenced for its silence. What is remembered is replaced by nothing but keepalives of now, so it outlasts the next restore too.
 */
import type { Life } from '../records/api.ts';

/** One may be of the copy, and one on its way when the restore was seen. */
const keepalivesNeeded = 3;
/** Two keepalives that differ are not both of the copy. */
const publishesFrom = 2;

interface Published {
  readonly incarnation: string;
  readonly sequence: number;
  readonly count: number;
}

export class LivesBefore {
  /** By node, then by incarnation: the sequence of its keepalive `stop`; null: none was seen. */
  private readonly lives = new Map<string, Map<string, number | null>>();
  /** Nodes that were found off since the last restore, and which life the record of that names. */
  private readonly foundOff = new Map<string, string>();
  /** What each node has published since the last restore; null: there was none. */
  private published: Map<string, Published> | null = null;

  /** ZooKeeper was restored, and these lives had been seen here. */
  setBack(seen: Iterable<Life>): void {
    this.published = new Map();
    this.foundOff.clear();
    this.add(seen);
  }

  /** A life more is one more that may be running: nothing is forgotten. */
  add(seen: Iterable<Life>): void {
    for (const { name, incarnation, stoppedAt } of seen) {
      const lives = this.lives.get(name) ?? new Map<string, number | null>();
      this.lives.set(name, lives.set(incarnation, stoppedAt ?? lives.get(incarnation) ?? null));
    }
  }

  /** A keepalive that the store shows. A life that goes on publishing since the restore is the newest one. */
  see({ name, incarnation }: Pick<Life, 'name' | 'incarnation'>, sequence: number): void {
    const { published } = this;
    if (published === null) return;
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
    const lives = this.lives.get(name);
    if (lives === undefined) return false;
    const stoppedAt = lives.get(incarnation);
    if (stoppedAt !== undefined) return stoppedAt !== null && sequence <= stoppedAt;
    if ([...lives.values()].includes(null)) return false;
    const published = this.published?.get(name);
    return published?.incarnation !== incarnation || published.count < publishesFrom;
  }

  /** Power was read off, or an operator confirmed it, since the restore; the record names this life. All lives of the machine are over. */
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
