/**
 * The records of all VMs, read again when the store hints that one has changed, and all of them on a slow beat: a hint may be
 * lost (STORE8). Old values cost a refused write, never more: whoever acts reads the record again first.
 */
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { VmFile } from './vm-file.ts';
import { readVm } from './vm-file.ts';

const sweepMs = 30_000;

export class VmCatalog {
  private readonly context: Context;
  private readonly onHint: () => void;
  private readonly known = new Map<string, VmFile>();
  private readonly stale = new Set<string>();
  private isListStale = true;
  private sweptAtMs = -Infinity;
  private generation = -1;

  constructor(context: Context, onHint: () => void) {
    this.context = context;
    this.onHint = onHint;
  }

  get(uuid: string): VmFile | null {
    return this.known.get(uuid) ?? null;
  }

  all(): VmFile[] {
    return [...this.known.values()];
  }

  /** The store was restored from an old copy. */
  forget(): void {
    this.known.clear();
    this.sweptAtMs = -Infinity;
  }

  /** The VMs whose records were read anew. Null: the store did not answer; what is known may be old. */
  async refresh(): Promise<string[] | null> {
    const { store, clock } = this.context.env;
    const nowMs = clock.monotonicMs();
    const { generation } = store.session();
    if (generation !== this.generation || nowMs - this.sweptAtMs >= sweepMs) {
      this.generation = generation;
      this.sweptAtMs = nowMs;
      this.isListStale = true;
      for (const uuid of this.known.keys()) this.stale.add(uuid);
    }
    if (this.isListStale && !(await this.list())) return null;
    const wanted = [...this.stale];
    const read = await Promise.all(wanted.map((uuid) => this.readOne(uuid)));
    return read.every((done) => done) ? wanted : null;
  }

  private async list(): Promise<boolean> {
    const listed = await this.context.env.store.list(tree.vms, () => {
      this.isListStale = true;
      this.onHint();
    });
    if (!listed.ok) return false;
    this.isListStale = false;
    for (const uuid of [...this.known.keys()]) if (!listed.names.includes(uuid)) this.known.delete(uuid);
    for (const uuid of listed.names) if (!this.known.has(uuid)) this.stale.add(uuid);
    return true;
  }

  private async readOne(uuid: string): Promise<boolean> {
    this.stale.delete(uuid);
    const file = await readVm(this.context, uuid, () => {
      this.stale.add(uuid);
      this.onHint();
    });
    if (file === null) this.stale.add(uuid);
    if (file === null || file === 'none') this.known.delete(uuid);
    else this.known.set(uuid, file);
    return file !== null;
  }
}
