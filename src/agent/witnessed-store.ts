/**
 * The store as one noded sees it, with a witness: its own last acknowledged keepalive. Nobody else writes that record, and its version
 * and its sequence only grow. So on each new connection the record is read first: an older version, or an older sequence of this very
 * incarnation, means that ZooKeeper was restored from an old copy. (The sequence too: after two restores, of an old copy and then of a newer
 * one, the version may be higher than the last acknowledged one.) Until that is known the store is not shown as connected, and
 * nothing is sent.
 *
 * After a restore the session of the copy stands again, with locks that this noded let go long ago and requests of an operator who
 * has gone. Locks of a living session would block everybody for ever (S7), so the session is ended: its locks go with it.
 */
import type { Clock } from '../environment/clock.ts';
import type { Gate, Operation, SessionView, Store, StoreResult, StoredValue } from '../environment/store.ts';
import type { CreateMode } from '../environment/store.ts';
import { Keepalive } from '../records/keepalive.ts';
import { parseRecord } from '../records/record.ts';

export interface WitnessOptions {
  readonly store: Store;
  /** The keepalive of this node. */
  readonly path: string;
  readonly self: string;
  /** Called before anything of the restored store is used. */
  readonly onSetBack: (because: string) => void;
  readonly clock: Pick<Clock, 'sleep'>;
}

/** A keepalive that was acknowledged. `sequence` null: it is not known (an older noded tells its version alone). */
export interface Witness {
  readonly version: number;
  readonly incarnation: string;
  readonly sequence: number | null;
}

/** Between two looks at a record that the store does not show: it does not count as connected meanwhile. */
const againMs = 200;

const away = {
  ok: false,
  code: 'not-connected',
  because: 'the connection is new; what it shows is checked first',
} as const;

export class WitnessedStore implements Store {
  private readonly store: Store;
  private readonly self: string;
  /** The keepalive of this node. */
  private readonly path: string;
  private readonly onSetBack: (because: string) => void;
  private readonly listeners = new Set<(view: SessionView) => void>();
  private readonly stopListening: () => void;
  /** Of our own last acknowledged keepalive, and in which session that was; null: there is none. */
  private witness: { readonly version: number; readonly text: string; readonly generation: number } | null = null;
  private readonly clock: Pick<Clock, 'sleep'>;
  private isChecking = false;
  /** A session of a restored store, which must end; null: none. */
  private endingGeneration: number | null = null;
  /** Counts connections: the check of an older one ends without a result. */
  private connection = 0;

  constructor({ store, path, self, onSetBack, clock }: WitnessOptions) {
    this.store = store;
    this.self = self;
    this.path = path;
    this.onSetBack = onSetBack;
    this.clock = clock;
    this.stopListening = store.onSession((view) => this.changed(view));
  }

  session(): SessionView {
    const view = this.store.session();
    return this.isChecking && view.state === 'connected' ? { ...view, state: 'suspended' } : view;
  }

  onSession(listener: (view: SessionView) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onContradiction(listener: (because: string) => void): () => void {
    return this.store.onContradiction(listener);
  }

  async read(path: string, onChange?: () => void): Promise<StoreResult<StoredValue>> {
    return this.isChecking ? away : this.store.read(path, onChange);
  }

  async list(path: string, onChange?: () => void): Promise<StoreResult<{ readonly names: string[] }>> {
    return this.isChecking ? away : this.store.list(path, onChange);
  }

  async create(path: string, text: string, mode: CreateMode): Promise<StoreResult<{ readonly path: string }>> {
    if (this.isChecking) return away;
    const made = await this.store.create(path, text, mode);
    if (made.ok && path === this.path) this.remember(0, text);
    return made;
  }

  async write(path: string, text: string, version: number): Promise<StoreResult<{ readonly version: number }>> {
    if (this.isChecking) return away;
    const written = await this.store.write(path, text, version);
    if (written.ok && path === this.path) this.remember(written.version, text);
    return written;
  }

  async remove(path: string, version: number): Promise<StoreResult<object>> {
    return this.isChecking ? away : this.store.remove(path, version);
  }

  async commit(operations: readonly Operation[]): Promise<StoreResult<object>> {
    return this.isChecking ? away : this.store.commit(operations);
  }

  async exposure(): Promise<StoreResult<{ readonly where: string | null }>> {
    return this.isChecking ? away : this.store.exposure();
  }

  guard(gate: Gate): void {
    this.store.guard(gate);
  }

  abandon(because: string): Promise<void> {
    return this.store.abandon(because);
  }

  close(deadlineMs: number): Promise<void> {
    this.stopListening();
    this.connection += 1; // a check that is under way ends
    return this.store.close(deadlineMs);
  }

  /** The own keepalive that was acknowledged last; null: none was, of this store. */
  witnessed(): Witness | null {
    if (this.witness === null) return null;
    const { version, text } = this.witness;
    const parsed = parseRecord(Keepalive, text);
    if (!parsed.ok) return { version, incarnation: '', sequence: null }; // it was only created
    const { incarnation, sequence } = parsed.record;
    return { version, incarnation, sequence };
  }

  private remember(version: number, text: string): void {
    this.witness = { version, text, generation: this.store.session().generation };
  }

  private changed(view: SessionView): void {
    this.connection += 1;
    const mustEnd = view.generation === this.endingGeneration;
    this.isChecking = view.state === 'connected' && (mustEnd || this.witness !== null);
    if (!this.isChecking) this.tell();
    else if (mustEnd) void this.store.abandon('its locks are of an old copy of ZooKeeper');
    else void this.check(this.connection);
  }

  private tell(): void {
    const view = this.session();
    for (const listener of [...this.listeners]) listener(view);
  }

  private async check(connection: number): Promise<void> {
    const { witness } = this;
    const witnessed = this.witnessed();
    let because = witnessed === null ? null : await whySetBack(this.store, this.path, witnessed, this.self);
    while (because === 'unknown' && connection === this.connection && witnessed !== null) {
      await this.clock.sleep(againMs);
      because = await whySetBack(this.store, this.path, witnessed, this.self);
    }
    // A connection that broke meanwhile is told by the next change; the check is made again then.
    if (connection !== this.connection || witness === null) return;
    if (because !== null) {
      this.witness = null;
      this.onSetBack(because);
      // A session made after the restore holds nothing of the copy.
      if (this.store.session().generation === witness.generation) {
        this.endingGeneration = witness.generation;
        await this.store.abandon(because);
        return;
      }
    }
    this.isChecking = false;
    this.tell();
  }
}

/** Why a store that lacks this keepalive, or a later one, of `who` was restored from an old copy; null: it has it. `unknown`: it did not answer. */
export async function whySetBack(
  store: Pick<Store, 'read' | 'commit'>,
  path: string,
  witness: Witness,
  who: string,
): Promise<string | null> {
  const read = await store.read(path);
  if (!read.ok && read.code !== 'no-node') return 'unknown';
  const older = read.ok ? whyOlder(read, witness, path, who) : `the store has no ${path}, ${gotInWords(who, witness)}`;
  if (older === null) return null;
  // One server may lack a change: what it shows must stand in the store itself (decision 0010).
  const shown = read.ok ? read.version : witness.version;
  const stands = await store.commit([{ kind: 'check', path, version: shown }]);
  if (!stands.ok && stands.code !== 'no-node' && stands.code !== 'bad-version') return 'unknown';
  return stands.ok === read.ok ? older : null;
}

/** Why this keepalive is older than the witness; null: it is not. */
export function whyOlder(
  shown: { readonly version: number; readonly text: string },
  witness: Witness,
  path: string,
  who: string,
): string | null {
  if (shown.version < witness.version)
    return `the store has version ${shown.version} of ${path}, ${gotInWords(who, witness)}`;
  const parsed = parseRecord(Keepalive, shown.text);
  const isOlder =
    parsed.ok && parsed.record.incarnation === witness.incarnation && parsed.record.sequence < (witness.sequence ?? 0);
  return isOlder
    ? `the store has keepalive ${parsed.record.sequence} in ${path}, and ${who} got keepalive ${witness.sequence} acknowledged: ZooKeeper was restored from an old copy`
    : null;
}

const gotInWords = (who: string, { version }: Witness) =>
  `and ${who} got version ${version} of it acknowledged: ZooKeeper was restored from an old copy`;
