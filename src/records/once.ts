/** `once/<name>`: something that must succeed exactly once in the life of the cluster (a bootstrap), and what came of it. */
import * as z from 'zod';

export const OnceRecord = z.object({
  schema: z.literal(1),
  /** started: somebody began it and has not said how it ended: half done · completed: never again · failed: may be tried again */
  state: z.enum(['started', 'completed', 'failed']),
  node: z.string().max(100),
  epoch: z.int(),
  by: z.string().max(200),
  command: z.array(z.string()).max(200),
  startedWallMs: z.number(),
  endedWallMs: z.number().nullable(),
  code: z.int().nullable(),
  because: z.string().max(500),
});
export type OnceRecord = z.output<typeof OnceRecord>;
