/**
 * The watches of a store: one stable function for each watched path, since the library would hold a new closure each time. A watch
 * is forgotten when it was set off, when the read that would have set it failed, and with its session: locks come and go for as long
 * as noded lives, each under a path of its own.
 */
interface Watch {
  readonly fire: () => void;
  readonly waiting: Set<() => void>;
}

export class Watches {
  private readonly held = new Map<string, Watch>();

  get size(): number {
    return this.held.size;
  }

  /** What the library is given for `onChange` on `key`. Call `undo` when nothing came of it. */
  add(key: string, onChange: () => void): { readonly fire: () => void; readonly undo: () => void } {
    const watch = this.held.get(key) ?? this.made(key);
    const { waiting } = watch;
    const isNew = !waiting.has(onChange);
    waiting.add(onChange);
    const undo = () => {
      if (isNew) waiting.delete(onChange); // an earlier read may have set it
      if (waiting.size === 0) this.drop(key, watch);
    };
    return { fire: watch.fire, undo };
  }

  /** A new session: what was set in the one before is never set off. */
  forget(): void {
    this.held.clear();
  }

  private made(key: string): Watch {
    const waiting = new Set<() => void>();
    const watch: Watch = {
      waiting,
      fire: () => {
        this.drop(key, watch);
        const called = [...waiting];
        waiting.clear();
        for (const callback of called) callback();
      },
    };
    this.held.set(key, watch);
    return watch;
  }

  private drop(key: string, watch: Watch): void {
    if (this.held.get(key) === watch) this.held.delete(key);
  }
}
