/** `nodes/<name>/left`: the node was told to stay out of the cluster (`nodectl leave`) until it is let in again (`join`). */
import * as z from 'zod';

export const LeftMark = z.object({
  schema: z.literal(1),
  left: z.boolean(),
  by: z.string().max(200),
  reason: z.string().max(500),
  sinceWallMs: z.number(),
});
export type LeftMark = z.output<typeof LeftMark>;
