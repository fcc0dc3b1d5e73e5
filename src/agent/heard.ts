/**
 * Which nodes have been heard since this node saw that ZooKeeper was restored from an old copy. What runs elsewhere is not known from such
 * records: who took the role, or a VM, after the copy stands nowhere. It is known again when each node has said so itself, in
 * keepalives of now, or is confirmed off.
 */
import { isConfirmedOff } from '../core/fencing.ts';
import { FenceRecord } from '../records/fence.ts';
import { Keepalive } from '../records/keepalive.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';

/** One may be of the copy. The second one is of now; what it tells of another loop's doing may be a moment older. */
const keepalivesNeeded = 3;

export type HeardNode =
  | { readonly kind: 'heard'; readonly keepalive: Keepalive }
  | { readonly kind: 'off' }
  /** Its noded stopped cleanly: it holds nothing of the role; its guests may run. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'not-yet'; readonly because: string };

/** A fence that was confirmed before this node looked for the first time may be of the copy. */
interface FirstFence {
  readonly id: string | null;
  isOff: boolean;
}

export class Heard {
  private readonly context: Context;
  private ofMs: number | null = null;
  private readonly seen = new Map<string, { readonly mark: string; readonly count: number }>();
  private readonly fences = new Map<string, FirstFence>();

  constructor(context: Context) {
    this.context = context;
  }

  /** Looks at one node; called again and again until it is heard. One that is off or stopped may be removed: it is not waited for then. */
  async look(name: string): Promise<HeardNode> {
    const heard = await this.lookAt(name);
    if (heard.kind === 'off' || heard.kind === 'stopped')
      this.context.board.nodesBefore.end(name, heard.kind === 'off');
    return heard;
  }

  private async lookAt(name: string): Promise<HeardNode> {
    const { env, board } = this.context;
    if (this.ofMs !== board.setBackAtMs) {
      this.seen.clear();
      this.fences.clear();
    }
    this.ofMs = board.setBackAtMs;
    const [beat, fence] = await Promise.all([env.store.read(tree.keepalive(name)), env.store.read(tree.fence(name))]);
    const keepalive = beat.ok ? parseRecord(Keepalive, beat.text) : null;
    const fenced = fence.ok && fence.text !== '' ? parseRecord(FenceRecord, fence.text) : null;
    const life = keepalive?.ok === true ? keepalive.record.incarnation : null;
    if (keepalive?.ok === true)
      board.livesBefore.see({ name, incarnation: keepalive.record.incarnation }, keepalive.record.sequence);
    const knowsFence =
      fenced?.ok === true || (fence.ok && fence.text === '') || (!fence.ok && fence.code === 'no-node');
    if (fenced?.ok === true && this.isOffSince(name, fenced.record, life)) return { kind: 'off' };
    if (fenced?.ok !== true && knowsFence) this.fences.set(name, { id: null, isOff: false });
    // A later life than the one that the copy calls fenced or stopped was seen before: that one may be running.
    // Of a node of which nobody tells, it is not known which life that was: unknown is not off.
    const newest = board.livesBefore.get(name);
    const isOff = fenced?.ok === true && isConfirmedOff(fenced.record.state) && fenced.record.incarnation === newest;
    if (isOff) return { kind: 'off' };
    if (keepalive?.ok !== true) return { kind: 'not-yet', because: `${name} has no keepalive` };
    const { incarnation, sequence, state } = keepalive.record;
    const hasStopped = board.livesBefore.hasStopped(name, incarnation, sequence);
    // The stop of an older life says nothing of a later one.
    if (hasStopped && (newest === undefined || incarnation === newest)) return { kind: 'stopped' };
    if (state === 'stop' && incarnation === newest) return { kind: 'stopped' };
    const mark = `${incarnation} ${sequence}`;
    const before = this.seen.get(name);
    const count = before === undefined ? 1 : before.count + (before.mark === mark ? 0 : 1);
    this.seen.set(name, { mark, count });
    if (count < keepalivesNeeded) return { kind: 'not-yet', because: `${name} has not been heard since` };
    return { kind: 'heard', keepalive: keepalive.record };
  }

  /**
   * Power was read off, or an operator confirmed it, since the restore: that is about the machine, whichever of its lives the record names.
   * Only a life that the store shows beside it, and that is another one, came after it. The bound of a watchdog ends one life only.
   */
  private isOffSince(name: string, { id, state, incarnation, level }: FenceRecord, shown: string | null): boolean {
    const isOff = isConfirmedOff(state);
    const first = this.fences.get(name) ?? { id, isOff };
    this.fences.set(name, first);
    if (!isOff) first.isOff = false;
    if (level === 'watchdog') return false;
    if (!isOff || (first.isOff && first.id === id) || (shown !== null && shown !== incarnation)) return false;
    if (incarnation !== null) this.context.board.livesBefore.off(name, incarnation);
    return true;
  }
}
