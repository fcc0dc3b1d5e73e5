/** `maintenance` (cluster) and `maintenance/<name>` (node): a declared pause of fencing: who, when, why, until. */
import { z } from 'zod';

export const Maintenance = z.object({
  schema: z.literal(1),
  on: z.boolean(),
  by: z.string().max(200),
  reason: z.string().max(500),
  sinceWallMs: z.number(),
  untilWallMs: z.number().nullable(),
});
export type Maintenance = z.output<typeof Maintenance>;
