/** `maintenance` (cluster) and `maintenance/<name>` (node): a declared pause: who, when, why, for how long. */
import * as z from 'zod';

export const Maintenance = z.object({
  schema: z.literal(1),
  on: z.boolean(),
  by: z.string().max(200),
  reason: z.string().max(500),
  sinceWallMs: z.number(),
  /** Ends by itself after this long (core/maintenance.ts); null: until it is switched off. */
  forMs: z.number().positive().nullable(),
  /** On a node: it keeps the primary role all the same. */
  keepsRole: z.boolean(),
});
export type Maintenance = z.output<typeof Maintenance>;
