/** What this machine keeps on its own disk of its peers, for the time when the store is away and noded was started anew. */
import * as z from 'zod';
import { Registration } from './registration.ts';

export const knownFile = 'known-peers.json';

export const KnownPeers = z.object({
  schema: z.literal(1),
  /** The devices in them are sealed with the cluster key. */
  registrations: z.array(Registration).max(2000),
  /** Who had stopped in good order, left, or was in maintenance, and why: nobody powers these on. */
  excused: z.record(z.string(), z.string()),
});
export type KnownPeers = z.output<typeof KnownPeers>;
