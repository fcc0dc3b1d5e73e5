/**
 * A fence record with its ledger, open under the lock. Every move goes through the table (core/fencing.ts) and is one
 * transaction: our lock still stands, record and ledger by their versions (S6). An unclear answer is resolved by reading
 * back; a lost session ends the matter here, and whoever gets the lock next goes on from what is written.
 */
import type { FenceAction, FenceEvent, FenceState } from '../../core/fencing.ts';
import { fenceTable } from '../../core/fencing.ts';
import { step } from '../../core/machine.ts';
import type { Operation, StoreFailure } from '../../environment/store.ts';
import type { FenceDevice } from '../../records/device.ts';
import type { FenceLedger, FenceStep } from '../../records/fence.ts';
import {
  FenceLedger as FenceLedgerSchema,
  FenceRecord,
  emptyLedger,
  entered,
  noFence,
  withSteps,
} from '../../records/fence.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { HeldLock } from '../lock.ts';
import { sawFences } from './recent-fences.ts';

export type Moved =
  | {
      readonly ok: true;
      readonly actions: readonly FenceAction[];
      /** It was found written when the record was read: by this move or by an earlier try of it, whose checks may be old by now. */
      readonly isReadBack: boolean;
    }
  | {
      readonly ok: false;
      readonly code: StoreFailure['code'] | 'ignored' | 'lock-lost' | 'refused';
      readonly because: string;
    };

export interface ReadLedger {
  readonly ledger: FenceLedger;
  readonly version: number;
}

/** Pause between two tries while the store is away. */
const retryMs = 100;
const triesMax = 600;

export class FenceFile {
  private readonly context: Context;
  private readonly lock: HeldLock;
  private readonly target: string;
  record: FenceRecord;
  /** The devices that were ordered off in the attempt of now. */
  ordered: readonly FenceDevice[] = [];
  /** The devices that had an order to switch off under way when the fence was lost (late-order.ts). */
  mayStrikeLate: readonly FenceDevice[] = [];
  private version: number;

  private constructor(context: Context, lock: HeldLock, target: string, record: FenceRecord, version: number) {
    this.context = context;
    this.lock = lock;
    this.target = target;
    this.record = record;
    this.version = version;
  }

  /** Opens (and where needed makes) the record of `target`. */
  static async open(context: Context, lock: HeldLock, target: string): Promise<FenceFile | null> {
    const read = await readFence(context, target);
    return read === null ? null : new FenceFile(context, lock, target, read.record, read.version);
  }

  /** True while the lock is certainly ours: same session as when it was taken, and live. */
  lockStands(): boolean {
    const session = this.context.env.store.session();
    return session.generation === this.lock.generation && session.state !== 'lost';
  }

  /** What a write that rests on this record must find unchanged: our lock, and the record as we know it. */
  stands(): Operation[] {
    return [
      { kind: 'check', path: this.lock.path, version: 0 },
      { kind: 'check', path: tree.fence(this.target), version: this.version },
    ];
  }

  /** Somebody else has written the record since, or removed it: no transaction that rests on it (`stands`) can ever succeed. */
  async hasMoved(): Promise<boolean> {
    const read = await this.context.env.store.read(tree.fence(this.target));
    return read.ok ? read.version !== this.version : read.code === 'no-node';
  }

  /** Adds steps to the account; they are written with the next move. */
  note(what: string, because: string): void {
    const { env, self } = this.context;
    const added: FenceStep = { wallMs: env.clock.wallMs(), by: self.name, what, because: because.slice(0, 1000) };
    this.record = withSteps(this.record, [added]);
    env.log.info('fence step', { fenceId: this.record.id, node: this.target, because: `${what}: ${because}` });
  }

  /**
   * Moves the record by `event`. `also` must hold in the same transaction. `insist`: keep trying while the store is away,
   * as long as the lock's session lives. `allows`: what the ledger must allow at the very write, else the sentence why not:
   * a guard that was asked before may have been overtaken by another fence.
   */
  async move(
    event: FenceEvent,
    changes: Partial<FenceRecord>,
    also: readonly Operation[] = [],
    insist = false,
    allows: (ledger: FenceLedger) => string | null = () => null,
  ): Promise<Moved> {
    const { env } = this.context;
    const cell = step(fenceTable, this.record.state, event);
    if (cell.kind === 'ignored') return { ok: false, code: 'ignored', because: cell.because };
    const next: FenceRecord = { ...this.record, ...changes, state: cell.to };
    for (let tries = 0; tries < triesMax; tries += 1) {
      if (!this.lockStands())
        return { ok: false, code: 'lock-lost', because: 'the session that held the lock is over' };
      const done = await this.tryWrite(next, also, allows);
      if (done.ok) return { ok: true, actions: cell.actions, isReadBack: done.isReadBack };
      if (done.code === 'ledger-moved') continue;
      const { code, because } = done;
      if (!insist || (code !== 'not-connected' && code !== 'unclear')) return { ok: false, code, because };
      await env.clock.sleep(retryMs);
    }
    return { ok: false, code: 'not-connected', because: 'the store stayed away' };
  }

  /**
   * Makes the ledger's entry what the record says. One of a fence that the record does not know of (any more), since it was spoilt, would
   * keep its place among the fences at once; a fence without an entry is gone on with by nobody. By version: false, nothing was written.
   */
  async settleLedger(): Promise<boolean> {
    const read = await readLedger(this.context);
    if (read === null || !this.lockStands()) return false;
    const settled = entered(read.ledger, this.target, this.record);
    if (settled.entries[this.target] === read.ledger.entries[this.target]) return false;
    const write = { kind: 'write', path: tree.fencing, text: printRecord(settled), version: read.version } as const;
    return (await this.context.env.store.commit([...this.stands(), write])).ok;
  }

  private async tryWrite(
    next: FenceRecord,
    also: readonly Operation[],
    allows: (ledger: FenceLedger) => string | null,
  ): Promise<
    | { ok: true; isReadBack: boolean }
    | { ok: false; code: StoreFailure['code'] | 'ledger-moved' | 'refused'; because: string }
  > {
    const { store } = this.context.env;
    const ledger = await readLedger(this.context);
    if (ledger === null) return { ok: false, code: 'not-connected', because: 'the ledger could not be read' };
    const hindrance = allows(ledger.ledger);
    if (hindrance !== null) return { ok: false, code: 'refused', because: hindrance };
    const done = await store.commit([
      { kind: 'check', path: this.lock.path, version: 0 },
      ...also,
      { kind: 'write', path: tree.fence(this.target), text: printRecord(next), version: this.version },
      {
        kind: 'write',
        path: tree.fencing,
        text: printRecord(entered(ledger.ledger, this.target, next)),
        version: ledger.version,
      },
    ]);
    if (done.ok) {
      this.record = next;
      this.version += 1;
      return { ok: true, isReadBack: false };
    }
    const now = await readFence(this.context, this.target);
    if (now === null) return { ok: false, code: done.code, because: done.because };
    if (now.version === this.version + 1 && isSameRecord(now.record, next)) {
      // The answer was lost, the write was not.
      this.record = next;
      this.version = now.version;
      return { ok: true, isReadBack: true };
    }
    const untouched = now.version === this.version;
    if (untouched && done.code === 'bad-version') {
      const after = await readLedger(this.context);
      if (after !== null && after.version !== ledger.version)
        return { ok: false, code: 'ledger-moved', because: done.because };
    }
    if (!untouched) {
      this.record = now.record;
      this.version = now.version;
    }
    return { ok: false, code: done.code, because: done.because };
  }
}

/** Another write, of the same fence in the same state, is not this one. */
function isSameRecord(one: FenceRecord, other: FenceRecord): boolean {
  return JSON.stringify(FenceRecord.parse(one)) === JSON.stringify(FenceRecord.parse(other));
}

/**
 * Moves the own fence record with its ledger, without the lock: by version, so that whoever holds the lock and has moved it
 * meanwhile wins. The state moved to; null: the event changes nothing; false: not written.
 */
export async function moveOwnFence(
  context: Context,
  own: { readonly record: FenceRecord; readonly version: number },
  event: FenceEvent,
  what: string,
  because: string,
  changes: Partial<FenceRecord> = {},
): Promise<FenceState | null | false> {
  const { env, self } = context;
  const moved = step(fenceTable, own.record.state, event);
  if (moved.kind === 'ignored') return null;
  const ledger = await readLedger(context);
  if (ledger === null) return false;
  const note = { wallMs: env.clock.wallMs(), by: self.name, what, because };
  const next = withSteps({ ...own.record, ...changes, state: moved.to }, [note]);
  const done = await env.store.commit([
    { kind: 'write', path: tree.fence(self.name), text: printRecord(next), version: own.version },
    {
      kind: 'write',
      path: tree.fencing,
      text: printRecord(entered(ledger.ledger, self.name, next)),
      version: ledger.version,
    },
  ]);
  return done.ok ? moved.to : false;
}

/** Who waits for the end of its own fence sees to it that somebody goes on with it: the ledger may have been spoilt. By version. */
export async function enterOwnFence(
  context: Context,
  own: { readonly record: FenceRecord; readonly version: number },
): Promise<void> {
  const { env, self } = context;
  const ledger = await readLedger(context);
  if (ledger === null || self.name in ledger.ledger.entries) return;
  await env.store.commit([
    { kind: 'check', path: tree.fence(self.name), version: own.version },
    {
      kind: 'write',
      path: tree.fencing,
      text: printRecord(entered(ledger.ledger, self.name, own.record)),
      version: ledger.version,
    },
  ]);
}

/** The ledger; null: the store did not answer. Garbage in it is put together anew from the records themselves. */
export async function readLedger(context: Context, onChange?: () => void): Promise<ReadLedger | null> {
  const read = await context.env.store.read(tree.fencing, onChange);
  if (!read.ok) return null;
  if (read.text === '' && read.version === 0) return { ledger: emptyLedger, version: read.version }; // just made
  const parsed = parseRecord(FenceLedgerSchema, read.text);
  if (parsed.ok) return { ledger: parsed.record, version: read.version };
  context.history.happened(
    'record-unreadable',
    `${tree.fencing} cannot be read: ${parsed.because}; it is put together anew from the records`,
  );
  const listed = await context.env.store.list(tree.fencing);
  if (!listed.ok) return null;
  let ledger = emptyLedger;
  for (const name of listed.names) {
    const fence = await readFence(context, name);
    if (fence !== null) ledger = entered(ledger, name, fence.record);
  }
  return { ledger, version: read.version };
}

/** A node's fence record and its version; made when it does not exist. Null: the store did not answer. */
export async function readFence(
  context: Context,
  target: string,
  onChange?: () => void,
): Promise<{ record: FenceRecord; version: number } | null> {
  const { store } = context.env;
  let read = await store.read(tree.fence(target), onChange);
  if (!read.ok && read.code === 'no-node') {
    await store.create(tree.fence(target), printRecord(noFence(target)), 'persistent');
    read = await store.read(tree.fence(target), onChange);
  }
  if (!read.ok) return null;
  if (read.text === '') return { record: noFence(target), version: read.version };
  const parsed = parseRecord(FenceRecord, read.text);
  if (parsed.ok) {
    sawFences(context, target, parsed.record);
    return { record: parsed.record, version: read.version };
  }
  context.history.happened(
    'record-unreadable',
    `${tree.fence(target)} cannot be read: ${parsed.because}; it counts as no fence`,
    {
      node: target,
    },
  );
  return { record: noFence(target), version: read.version };
}
