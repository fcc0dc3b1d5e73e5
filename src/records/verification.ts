/** `nodes/<name>/verification`: this node's row of the matrix who-can-fence-whom. */
import { z } from 'zod';

export const VerificationEntry = z.object({
  canFence: z.boolean(),
  fault: z.string().nullable(),
  because: z.string().max(1000),
  advice: z.string().max(500).nullable(),
  tookMs: z.number(),
  wallMs: z.number(),
});
export type VerificationEntry = z.output<typeof VerificationEntry>;

export const VerificationRow = z.object({
  schema: z.literal(1),
  incarnation: z.string(),
  /** The operator's request that this row answers; null: it was written on the own beat. */
  answers: z.string().max(100).nullable(),
  entries: z.record(z.string(), VerificationEntry),
});
export type VerificationRow = z.output<typeof VerificationRow>;
