/**
 * What `nodectl primary once` has completed, on the disk of each coordinator. The store says what was done; if it is recreated
 * empty or restored from an old copy, this memory keeps a bootstrap from running a second time without anyone noticing.
 */
import type { OnceDone } from '../../records/once.ts';
import { OnceJournal, OnceRecord, onceDoneMax, onceFile } from '../../records/once.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';

/** The node that ran it looks at once. */
const lookMs = 300_000;

export class OnceMemory {
  private readonly context: Context;
  private readonly done = new Map<string, OnceDone>();

  constructor(context: Context) {
    this.context = context;
  }

  async load(): Promise<void> {
    const { journal, log } = this.context.env;
    const text = await journal.read(onceFile);
    const parsed = text === null ? null : parseRecord(OnceJournal, text);
    if (parsed?.ok === true) for (const [name, done] of Object.entries(parsed.record.done)) this.done.set(name, done);
    if (parsed?.ok === false) log.error('journal not readable', { because: `${onceFile}: ${parsed.because}` });
  }

  /** Looks every five minutes until `over`. */
  async run(over: AbortSignal): Promise<void> {
    const { clock } = this.context.env;
    await clock.sleep(lookMs, over);
    while (!over.aborted) {
      await this.look();
      await clock.sleep(lookMs, over);
    }
  }

  /** Remembers what the store says is completed. */
  async look(): Promise<void> {
    const { store, journal, log } = this.context.env;
    const listed = await store.list(tree.once);
    const unknown = listed.ok ? listed.names.filter((name) => !this.done.has(name)) : [];
    let isNew = false;
    for (const name of unknown) {
      const read = await store.read(tree.onceRecord(name));
      const parsed = read.ok ? parseRecord(OnceRecord, read.text) : null;
      if (parsed?.ok !== true || parsed.record.state !== 'completed') continue;
      const { node, epoch, endedWallMs, because } = parsed.record;
      this.done.set(name, { node, epoch, endedWallMs: endedWallMs ?? 0, because });
      isNew = true;
    }
    if (!isNew) return;
    for (const oldest of [...this.done.keys()].slice(0, Math.max(0, this.done.size - onceDoneMax)))
      this.done.delete(oldest);
    const trouble = await journal.write(onceFile, printRecord({ schema: 1, done: Object.fromEntries(this.done) }));
    if (trouble !== null) log.error('journal not written', { because: trouble });
  }

  /** Null: this coordinator never saw it completed. */
  says(name: string): OnceDone | null {
    return this.done.get(name) ?? null;
  }
}
