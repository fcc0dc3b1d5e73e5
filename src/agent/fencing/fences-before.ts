/**
 * The fences that stood in the store when it was first looked at after a restore from an old copy (decision 0012). Whom such a record
 * condemns, or calls off, may have lived since: it is judged by what is seen now. What was written since the restore is of now.
 */
import { isConfirmedOff } from '../../core/fencing.ts';
import type { FenceRecord } from '../../records/fence.ts';
import type { Context } from '../context.ts';

export class FencesBefore {
  private readonly isRestored: boolean;
  /** What was found at the first look, by node; null: not read yet. */
  private first: Map<string, string | null> | null = null;

  /** Made anew at each restore, as the loop that owns it. */
  constructor({ board }: Context) {
    this.isRestored = board.setBackAtMs !== null;
  }

  /** The ledger shows fences of these nodes. */
  look(names: Iterable<string>): void {
    this.first ??= new Map([...names].map((name) => [name, null]));
  }

  see(name: string, record: FenceRecord): void {
    if (this.first?.get(name) === null) this.first.set(name, markOf(record));
  }

  isOfCopy(name: string, record: FenceRecord): boolean {
    if (!this.isRestored) return false;
    if (this.first === null) return true;
    const mark = this.first.get(name);
    return mark === null || mark === markOf(record);
  }
}

/** A record that calls its node off does so until another fence begins. */
function markOf({ id, state, rounds, tried, fencerIncarnation }: FenceRecord): string {
  return isConfirmedOff(state) ? `${id} off` : `${id} ${state} ${rounds} ${tried.length} ${fencerIncarnation}`;
}
