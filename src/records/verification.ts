/** `nodes/<name>/verification`: this node's row of the matrix who-can-fence-whom. */
import * as z from 'zod';

export const LevelProof = z.object({
  level: z.string().max(600),
  proof: z.enum(['holds', 'failed', 'lying', 'unknown']),
  because: z.string().max(600),
});
export type LevelProof = z.output<typeof LevelProof>;

export const VerificationEntry = z.object({
  /** Whether some level works that needs no person. */
  canFence: z.boolean(),
  /** Each level of the node in its order. */
  levels: z.array(LevelProof).max(16),
  /** What the devices said of power, and of which life of the node it was asked. */
  power: z.enum(['on', 'off', 'unknown']),
  /** Where its devices were when they last read on together, while some life of the node was alive; null: never. */
  seenOnAt: z.string().max(6000).nullable(),
  guid: z.string().max(64).nullable(),
  /** Since when `canFence` and `fault` are as they are. */
  sinceWallMs: z.number(),
  fault: z.string().nullable(),
  because: z.string().max(1000),
  advice: z.string().max(500).nullable(),
  /** Devices (name and place) found saying off while the node lived; each stays one until it says on, whoever restarts. */
  lying: z.array(z.string().max(700)).max(17).default([]),
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
