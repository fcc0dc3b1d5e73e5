/** Declared pauses as this node reads them, with their own end (core/maintenance.ts). */
import { standingMaintenance } from '../core/maintenance.ts';
import { Maintenance } from '../records/maintenance.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';

export interface ReadMaintenance {
  /** Why; null: none stands. Garbage counts as maintenance: a pause is the safe side. */
  readonly reason: string | null;
  readonly keepsRole: boolean;
  /** Somebody declared it, and it stands. */
  readonly isDeclared: boolean;
}

const none: ReadMaintenance = { reason: null, keepsRole: false, isDeclared: false };

/** The store's own time, as the last keepalive of this node bears it; null: not known. */
async function storeNowMs(context: Context): Promise<number | null> {
  const read = await context.env.store.read(tree.keepalive(context.self.name));
  return read.ok ? read.modifiedWallMs : null;
}

/** Null: the store did not answer. `onChange` hears of the next change, if the record exists. */
export async function readMaintenance(
  context: Context,
  path: string,
  onChange?: () => void,
): Promise<ReadMaintenance | null> {
  const read = await context.env.store.read(path, onChange);
  if (!read.ok) return read.code === 'no-node' ? none : null;
  if (read.text === '') return none;
  const parsed = parseRecord(Maintenance, read.text);
  if (!parsed.ok)
    context.history.happened(
      'record-unreadable',
      `${path} cannot be read: ${parsed.because}; it counts as maintenance`,
    );
  if (!parsed.ok) return { reason: `its record cannot be read: ${parsed.because}`, keepsRole: true, isDeclared: false };
  const { on, reason, forMs, keepsRole, by } = parsed.record;
  if (!on) return none;
  const nowStoreMs = forMs === null ? null : await storeNowMs(context);
  const standing = standingMaintenance({ on, reason, forMs, declaredStoreMs: read.modifiedWallMs, nowStoreMs });
  if (standing === null) {
    // Over: whoever notices first takes it away, so that every status says so.
    const off = printRecord({ ...parsed.record, on: false });
    const ended = await context.env.store.write(path, off, read.version);
    if (ended.ok) {
      const node = path === tree.maintenance ? null : path.slice(tree.maintenance.length + 1);
      context.history.happened(
        'maintenance',
        `the maintenance of ${node ?? 'the cluster'} by ${by} has ended by itself`,
        { node },
      );
    }
  }
  return { reason: standing === null ? null : `${standing} (by ${by})`, keepsRole, isDeclared: standing !== null };
}

/** Which of `names` are in a maintenance that somebody declared. One that cannot be read is not among them. */
export async function inDeclaredMaintenance(context: Context, names: readonly string[]): Promise<Set<string>> {
  const listed = await context.env.store.list(tree.maintenance);
  const asked = listed.ok ? names.filter((name) => listed.names.includes(name)) : [];
  const read = await Promise.all(asked.map((name) => readMaintenance(context, tree.nodeMaintenance(name))));
  return new Set(asked.filter((_, at) => read[at]?.isDeclared === true));
}
