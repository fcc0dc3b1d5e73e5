/** A node's last sign of life as the store shows it now: what a verdict is checked against before the shot. */
import type { DaemonState } from '../../core/node.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';

/** What a keepalive says, with the version that a transaction can check. */
export interface LastSign {
  readonly incarnation: string | null;
  readonly sequence: number | null;
  readonly state: DaemonState | 'unknown';
  readonly version: number | null;
  readonly intervalMs: number;
}

/** Reads a node's last sign of life. Null: the store did not answer; garbage: a sign that says nothing. */
export async function readSign(context: Context, target: string): Promise<LastSign | null> {
  const nothing = {
    incarnation: null,
    sequence: null,
    state: 'unknown' as const,
    intervalMs: context.config.keepalive.interval,
  };
  const read = await context.env.store.read(tree.keepalive(target));
  if (!read.ok) return read.code === 'no-node' ? { ...nothing, version: null } : null;
  const parsed = parseRecord(Keepalive, read.text);
  if (!parsed.ok) return { ...nothing, version: read.version };
  const { incarnation, sequence, state, intervalMs } = parsed.record;
  return { incarnation, sequence, state, intervalMs, version: read.version };
}
