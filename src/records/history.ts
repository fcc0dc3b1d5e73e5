/** `history/<sequential>`: what happened and why. Capped; the oldest go first. */
import { z } from 'zod';

export const eventKinds = [
  'node-started',
  'node-stopping',
  'node-stopped',
  'verdict',
  'verdict-withdrawn',
  'guard-held',
  'fence-intent',
  'fence-step',
  'fenced',
  'fence-failed',
  'fence-cancelled',
  'fence-resumed',
  'power-on',
  'rejoined',
  'never-came-up',
  'operator-request',
  'request-refused',
  'bmc-lies',
  'record-unreadable',
  'verification',
  'stepped-down',
  'observer-reset',
  'subsystem',
  'takeover',
  'primary',
  'relinquish',
  'deposed',
  'role-free',
  'transfer',
  'resource',
  'hook',
  'maintenance',
  'left',
  'joined',
  'failsafe',
  'election-loop',
  'self-fence',
  'quorum',
  'vm',
  'vm-failed',
  'vm-stranded',
  'drain',
] as const;
export type EventKind = (typeof eventKinds)[number];

export const HistoryEvent = z.object({
  schema: z.literal(1),
  wallMs: z.number(),
  by: z.string().max(100),
  kind: z.enum(eventKinds),
  /** The node that it is about; null: the cluster, or the writer itself. */
  node: z.string().nullable(),
  fenceId: z.string().nullable(),
  because: z.string().max(1200),
  evidence: z.record(
    z.string(),
    z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.union([z.string(), z.number()]))]),
  ),
});
export type HistoryEvent = z.output<typeof HistoryEvent>;
