/** Declared pauses as this node reads them, with their own end (core/maintenance.ts). */
import { endsAtMs, standingMaintenance } from '../core/maintenance.ts';
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

async function leftOf(
  { env, self, board }: Context,
  path: string,
  {
    version,
    modifiedWallMs,
    forMs,
  }: { readonly version: number; readonly modifiedWallMs: number; readonly forMs: number },
): Promise<number> {
  const mark = `${version} ${modifiedWallMs}`;
  let seen = board.maintenanceEnds.get(path);
  if (seen?.mark !== mark) {
    const own = await env.store.read(tree.keepalive(self.name));
    if (!own.ok) return forMs; // how old it is cannot be said yet
    seen = { mark, atMs: endsAtMs(env.clock.monotonicMs(), forMs, own.modifiedWallMs - modifiedWallMs) };
    board.maintenanceEnds.set(path, seen);
  }
  return seen.atMs - env.clock.monotonicMs();
}

/** Null: the store did not answer. `onChange` hears of the next change, if the record exists. */
export async function readMaintenance(
  context: Context,
  path: string,
  onChange?: () => void,
): Promise<ReadMaintenance | null> {
  const read = await context.env.store.read(path, onChange);
  if (!read.ok && read.code === 'no-node') context.board.maintenanceEnds.delete(path);
  if (!read.ok) return read.code === 'no-node' ? none : null;
  if (read.text === '') return none;
  const { version, modifiedWallMs } = read;
  const parsed = parseRecord(Maintenance, read.text);
  if (!parsed.ok)
    context.history.happened(
      'record-unreadable',
      `${path} cannot be read: ${parsed.because}; it counts as maintenance`,
    );
  if (!parsed.ok) return { reason: `its record cannot be read: ${parsed.because}`, keepsRole: true, isDeclared: false };
  const { on, reason, forMs, keepsRole, by } = parsed.record;
  if (!on) return none;
  const leftMs = forMs === null ? null : await leftOf(context, path, { version, modifiedWallMs, forMs });
  const standing = standingMaintenance({ on, reason, leftMs });
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

/** Between two looks, and how many declarations are read in each: hundreds may have been left by maintenances that are over. */
const lookMs = 5000;
const readsPerLook = 5;

/**
 * Reads each declaration soon after it was made, so that its end is counted by this node's own clock from its beginning, and ends what is
 * over. Runs until the duties end.
 */
export async function watchMaintenances(context: Context): Promise<void> {
  const { env, board, duties } = context;
  let names: string[] = [];
  while (!duties.aborted) {
    if (names.length === 0) {
      const listed = await env.store.list(tree.maintenance);
      names = listed.ok ? [...listed.names] : [];
      const paths = new Set([tree.maintenance, ...names.map((name) => tree.nodeMaintenance(name))]);
      if (listed.ok)
        for (const path of board.maintenanceEnds.keys()) if (!paths.has(path)) board.maintenanceEnds.delete(path);
    }
    await readMaintenance(context, tree.maintenance);
    for (const name of names.splice(0, readsPerLook)) await readMaintenance(context, tree.nodeMaintenance(name));
    await env.clock.sleep(lookMs, duties);
  }
}

/** The maintenance in which a node is not powered on, for hands may be inside the machine: its own or the cluster's; null: there is none. */
export async function whyPaused(context: Context, node: string): Promise<string | null> {
  const [cluster, own] = await Promise.all([
    readMaintenance(context, tree.maintenance),
    readMaintenance(context, tree.nodeMaintenance(node)),
  ]);
  if (cluster === null || own === null) return 'whether the node is in maintenance cannot be read';
  if (own.reason !== null) return `the node is in maintenance (${own.reason})`;
  return cluster.reason === null ? null : `the cluster is in maintenance (${cluster.reason})`;
}

/** Which of `names` are in a maintenance that somebody declared. One that cannot be read is not among them. */
export async function inDeclaredMaintenance(context: Context, names: readonly string[]): Promise<Set<string>> {
  const listed = await context.env.store.list(tree.maintenance);
  const asked = listed.ok ? names.filter((name) => listed.names.includes(name)) : [];
  const read = await Promise.all(asked.map((name) => readMaintenance(context, tree.nodeMaintenance(name))));
  return new Set(asked.filter((_, at) => read[at]?.isDeclared === true));
}
