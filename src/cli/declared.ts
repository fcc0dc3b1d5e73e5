/** A maintenance as it was declared: who, why, since when, until when. */
import { inWords } from '../core/decision.ts';
import type { Store } from '../environment/store.ts';
import { Maintenance } from '../records/maintenance.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { clockTime } from './output.ts';

export interface Declared {
  readonly reason: string;
  readonly by: string;
  /** Null: the record is unparsable. */
  readonly sinceWallMs: number | null;
  /** Null: until it is switched off. */
  readonly leftMs: number | null;
}

/** Null: there is none, or its time is over. An unparsable record counts as maintenance. */
export function declaredIn(text: string, modifiedWallMs: number, nowWallMs: number): Declared | null {
  if (text === '') return null;
  const parsed = parseRecord(Maintenance, text);
  if (!parsed.ok)
    return { reason: `its record is unparsable: ${parsed.because}`, by: '?', sinceWallMs: null, leftMs: null };
  const { on, reason, by, sinceWallMs, forMs } = parsed.record;
  const leftMs = forMs === null ? null : modifiedWallMs + forMs - nowWallMs;
  if (!on || (leftMs !== null && leftMs <= 0)) return null;
  return { reason: reason === '' ? 'no reason given' : reason, by, sinceWallMs, leftMs };
}

/** Of this node; null: of the cluster. */
export async function readDeclared(store: Store, node: string | null): Promise<Declared | null> {
  const read = await store.read(node === null ? tree.maintenance : tree.nodeMaintenance(node));
  return read.ok ? declaredIn(read.text, read.modifiedWallMs, Date.now()) : null;
}

/** "node2 is in maintenance: new disk (by root@admin since ..., 57 min left)". */
export function declaredInWords(node: string | null, declared: Declared): string {
  const { reason, by, sinceWallMs } = declared;
  const since = sinceWallMs === null ? '' : ` since ${clockTime(sinceWallMs).slice(0, 19)}`;
  return `${node ?? 'the cluster'} is in maintenance: ${reason} (by ${by}${since}, ${leftInWords(declared)})`;
}

export function leftInWords({ leftMs }: Declared): string {
  return leftMs === null ? 'until it is switched off' : `${inWords(leftMs)} left`;
}
