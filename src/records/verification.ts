/**
 * The matrix who-can-fence-whom. `nodes/<by>/verification`: the head of a verifier's row; below it one record for each node that
 * it verified, so that no row can outgrow what a record may hold, however many nodes there are.
 */
import * as z from 'zod';

export const LevelProof = z.object({
  level: z.string().max(600),
  proof: z.enum(['holds', 'failed', 'barred', 'unknown']),
  because: z.string().max(600),
});
export type LevelProof = z.output<typeof LevelProof>;

export const VerificationEntry = z.object({
  schema: z.literal(1),
  /** Whether some level works that needs no person. */
  canFence: z.boolean(),
  /** Each level of the node in its order. */
  levels: z.array(LevelProof).max(16),
  /** What the devices said of power. */
  power: z.enum(['on', 'off', 'unknown']),
  guid: z.string().max(64).nullable(),
  /** Since when `canFence` and `fault` are as they are. */
  sinceWallMs: z.number(),
  fault: z.string().max(60).nullable(),
  because: z.string().max(1000),
  advice: z.string().max(500).nullable(),
  wallMs: z.number(),
  /**
   * The newest operator's request for which, or after which, this was verified; null: none yet. A noded that does not write this
   * verifies everybody at each request.
   */
  answers: z.string().max(100).nullable().optional(),
});
export type VerificationEntry = z.output<typeof VerificationEntry>;

export const VerificationHead = z.object({
  schema: z.literal(1),
  incarnation: z.string(),
  /** The operator's request that this row answered last, when all its records were written; null: none yet. */
  answers: z.string().max(100).nullable(),
});
export type VerificationHead = z.output<typeof VerificationHead>;
