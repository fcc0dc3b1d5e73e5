/** One entry of the ring of role transitions, as it stands in the journal and travels in answers. */
import * as z from 'zod';

export const TransitionEntry = z.object({
  wallMs: z.number(),
  monotonicMs: z.number(),
  epoch: z.number(),
  from: z.string(),
  event: z.string(),
  to: z.string(),
  because: z.string(),
});
