/**
 * The steps of a `once` in the store. Each is exclusive: the record goes from one version to the next, and the ephemeral of a run
 * is made in the same transaction, so that of two that begin at the same moment one is refused, and none begins beside a run
 * that is alive.
 */
import type { Operation, Store, StoreResult } from '../environment/store.ts';
import { OnceRecord } from '../records/once.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { pause } from './connect.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** How long the end of a run is tried to be noted while the store is away. */
const noteWithinMs = 30_000;
const againMs = 300;

export interface ReadOnce {
  /** Null: it was never begun. */
  readonly record: OnceRecord | null;
  /** Of the record; null: there is none. */
  readonly version: number | null;
  /** Whether the run that the record names is alive. */
  readonly runs: boolean;
}

/** Throws when the store does not answer, or the record is corrupt: then whether it was done is not known. */
export async function readOnce(store: Store, name: string): Promise<ReadOnce> {
  const read = await store.read(tree.onceRecord(name));
  if (!read.ok && read.code === 'no-node') return { record: null, version: null, runs: false };
  if (!read.ok) throw new CommandError(exitCodes.unreachable, read.because);
  const parsed = parseRecord(OnceRecord, read.text);
  if (!parsed.ok)
    throw new CommandError(
      exitCodes.refused,
      `the record of "${name}" is corrupt (${parsed.because}): whether it was done is not known; nothing was run`,
    );
  const run = await store.read(tree.onceRun(name));
  if (!run.ok && run.code !== 'no-node') throw new CommandError(exitCodes.unreachable, run.because);
  return { record: parsed.record, version: read.version, runs: run.ok };
}

/** One run of this nodectl. */
export class OnceRun {
  private readonly store: Store;
  private readonly name: string;
  private version = 0;
  private heldIn = -1;

  constructor(store: Store, name: string) {
    this.store = store;
    this.name = name;
  }

  /** Notes that it begins, upon what was read. Null: it was noted; else why not, and nothing may be run. */
  async begin(before: ReadOnce, record: OnceRecord): Promise<string | null> {
    const text = printRecord(record);
    const path = tree.onceRecord(this.name);
    const first: Operation =
      before.version === null
        ? { kind: 'create', path, text, mode: 'persistent' }
        : { kind: 'write', path, text, version: before.version };
    const { generation } = this.store.session();
    this.version = before.version === null ? 0 : before.version + 1;
    this.heldIn = generation;
    const done = await this.store.commit([first, this.alive(record)]);
    if (done.ok || (done.code === 'unclear' && (await this.isOurs(record)))) return null;
    return done.because;
  }

  /** As long as the command runs: a new session makes the ephemeral again, as long as the record is that of this run. */
  async keepAlive(record: OnceRecord, over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      const { state, generation } = this.store.session();
      if (state === 'connected' && generation !== this.heldIn) await this.standAgain(record, generation);
      await pause(againMs);
    }
  }

  private async standAgain(record: OnceRecord, generation: number): Promise<void> {
    const check: Operation = { kind: 'check', path: tree.onceRecord(this.name), version: this.version };
    const done = await this.store.commit([check, this.alive(record)]);
    if (done.ok || done.code === 'bad-version') this.heldIn = generation;
  }

  /** Notes how it ended, and that it is no longer alive. Null: noted; else why not. */
  async end(record: OnceRecord): Promise<string | null> {
    const endMs = performance.now() + noteWithinMs;
    for (;;) {
      const done = await this.tryEnd(record);
      if (done.ok || (done.code === 'bad-version' && (await this.isOurs(record)))) return null;
      const isAway = done.code === 'unclear' || done.code === 'not-connected';
      if (!isAway || performance.now() > endMs) return done.because;
      await pause(againMs);
    }
  }

  private async tryEnd(record: OnceRecord): Promise<StoreResult<object>> {
    const path = tree.onceRecord(this.name);
    const write: Operation = { kind: 'write', path, text: printRecord(record), version: this.version };
    const both = await this.store.commit([write, { kind: 'remove', path: tree.onceRun(this.name), version: 0 }]);
    // The session in which it began is over, and its ephemeral with it.
    return both.ok || both.code !== 'no-node' ? both : this.store.commit([write]);
  }

  private alive({ node, by, startedWallMs }: OnceRecord): Operation {
    const text = printRecord({ schema: 1, node, by, startedWallMs });
    return { kind: 'create', path: tree.onceRun(this.name), text, mode: 'ephemeral' };
  }

  /** Whether the record is what this run wrote. */
  private async isOurs(record: OnceRecord): Promise<boolean> {
    const read = await this.store.read(tree.onceRecord(this.name));
    return read.ok && read.text === printRecord(record);
  }
}
