/**
 * The highest epoch that this machine has ever seen and who held it, also over its restarts. A ZooKeeper that was rebuilt, or
 * restored from an old copy, must not make the epoch go back (whoever fences by epoch would let the past in), and a record in
 * it that says "nobody" is no permission: the last holder may be frozen with everything running (S1).
 */
import { Keepalive } from '../../records/keepalive.ts';
import { EpochJournal, epochFile } from '../../records/journal.ts';
import type { PrimaryRecord } from '../../records/primary.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';

type Memory = Omit<EpochJournal, 'schema'>;

export class EpochMemory {
  private memory: Memory = { highest: 0, holder: null, incarnation: null };
  private readonly context: Context;
  private saving: Promise<void> = Promise.resolve();
  private told = '';
  /** The newest keepalive of the last holder, as it stood when it was first looked at. */
  private firstSeen: string | null = null;

  constructor(context: Context) {
    this.context = context;
  }

  get highest(): number {
    return this.memory.highest;
  }

  /** What the former lives on this machine have seen. */
  async load(): Promise<void> {
    const text = await this.context.env.journal.read(epochFile);
    const parsed = text === null ? null : parseRecord(EpochJournal, text);
    if (parsed?.ok === true) this.memory = parsed.record;
  }

  /** A record that the store shows. Remembered in the background: nobody waits for the disk here. */
  see({ epoch, state, holder, incarnation }: PrimaryRecord): void {
    const { highest } = this.memory;
    if (epoch < highest) return;
    const free = state === 'none';
    const now = { highest: epoch, holder: free ? null : holder, incarnation: free ? null : incarnation };
    const text = printRecord({ schema: 1, ...now });
    if (text === printRecord({ schema: 1, ...this.memory })) return;
    this.memory = now;
    this.firstSeen = null; // of another holder, or of a time before it held the role
    const { journal } = this.context.env;
    this.saving = this.saving.then(async () => {
      await journal.write(epochFile, text);
    });
  }

  /** Why a free record of this epoch, seen as free for so long, is no permission yet; null: it is one. */
  async distrust(epoch: number, freeForMs: number): Promise<string | null> {
    const { highest, holder } = this.memory;
    if (epoch >= highest) return null;
    const { leaseMs, stopBoundMs } = this.context.config.timing;
    const setBack = `the store knows epoch ${epoch} of the role, and ${this.context.self.name} has seen ${highest}: ZooKeeper was rebuilt, or restored from an old copy`;
    const because = (await this.isOver(holder))
      ? freeForMs < leaseMs + stopBoundMs
        ? `${setBack}; nobody takes over before every old lease has ended`
        : null
      : `${setBack}; ${holder ?? 'nobody'} held the role last and has not begun a new life: nobody takes over before it has`;
    if (because !== null) this.tell(because);
    return because;
  }

  /** The epoch after this one, and after all that were ever seen here. */
  next(epoch: number): number {
    return Math.max(epoch, this.memory.highest) + 1;
  }

  /** The life that held the role last is over: it was on this machine, or another life of that node beats. */
  private async isOver(holder: string | null): Promise<boolean> {
    const { env, self } = this.context;
    if (holder === null || holder === self.name) return true; // a life stops all that the former one left before it contends
    const read = await env.store.read(tree.keepalive(holder));
    const parsed = read.ok ? parseRecord(Keepalive, read.text) : null;
    if (parsed?.ok !== true || parsed.record.incarnation === this.memory.incarnation) return false;
    // One keepalive may be as old as the copy; a second one is not.
    const mark = `${parsed.record.incarnation} ${parsed.record.sequence}`;
    this.firstSeen ??= mark;
    return this.firstSeen !== mark;
  }

  private tell(because: string): void {
    if (this.told === because) return;
    this.told = because;
    this.context.history.happened('store-set-back', because, { node: this.context.self.name });
  }
}
