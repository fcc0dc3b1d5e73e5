/**
 * `transfers/<sequential>`: a request to move the primary role and everything that came of it. Persistent: it survives the
 * death of its requester, and is refused when it is stale (another epoch, or older than it was asked to live, counted in
 * the holder's own keepalives).
 */
import * as z from 'zod';
import { nodeNamePattern } from '../core/node.ts';
import type { TransferState } from '../core/transfer.ts';
import { transferStates } from '../core/transfer.ts';

const names = Object.keys(transferStates) as [TransferState, ...TransferState[]];

export const TransferStep = z.object({
  wallMs: z.number(),
  by: z.string().max(100),
  what: z.string().max(100),
  because: z.string().max(600),
});
export type TransferStep = z.output<typeof TransferStep>;

export const TransferRecord = z.object({
  schema: z.literal(1),
  state: z.enum(names),
  from: z.string().regex(nodeNamePattern),
  /** Null: the best candidate, chosen by the holder. */
  to: z.string().regex(nodeNamePattern).nullable(),
  toIncarnation: z.string().max(120).nullable(),
  fromIncarnation: z.string().max(120),
  by: z.string().max(200),
  reason: z.string().max(500),
  /** The epoch in which it was asked for. */
  epoch: z.int().min(0),
  /** The holder's keepalive as the requester read it, and for how long the request is good: its age without any wall clock. */
  sequenceSeen: z.int().min(0),
  goodForMs: z.int().positive(),
  /** Whether the holder takes the role back when the target cannot start; a node that shuts down does not. */
  mayReturn: z.boolean(),
  steps: z.array(TransferStep).max(60),
  /** Per resource: ms from its stop until the hand-over (on the old holder's clock). */
  stoppedForMs: z.record(z.string(), z.number()),
  /** Per resource: ms from stop to start, the two halves added; what lies between them is one write of the store. */
  awayMs: z.record(z.string(), z.number()),
});
export type TransferRecord = z.output<typeof TransferRecord>;

export function withTransferStep(record: TransferRecord, step: TransferStep): TransferRecord {
  const short = { ...step, because: step.because.slice(0, 600) };
  return { ...record, steps: [...record.steps, short].slice(-60) };
}
