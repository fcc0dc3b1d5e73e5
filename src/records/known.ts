/**
 * What this machine keeps on its own disk of its peers, for the time when the store is away and noded was started anew. One bound
 * for who writes it and who reads it: it grows with the cluster, and was once written larger than it could be read.
 */
import * as z from 'zod';
import { DeviceKnowledgeRecord } from './device-knowledge.ts';
import type { Parsed } from './record.ts';
import { parseRecord, printRecord } from './record.ts';
import { Registration } from './registration.ts';

export const knownFile = 'known-peers.json';
/** A registration is 1 to 2 KiB, so this is some 4000 nodes; it is read once, in about 0.2 s. */
export const knownCharsMax = 8 * 1024 * 1024;
export const knownPeersMax = 2000;

export const KnownPeers = z.object({
  schema: z.literal(1),
  /** The devices in them are sealed with the cluster key. */
  registrations: z.array(Registration).max(knownPeersMax),
  /** Who had stopped in good order, left, or was in maintenance, and why: nobody powers these on. */
  excused: z.record(z.string(), z.string()),
  /** What is known of the fence devices of each node. */
  devices: z.record(z.string(), DeviceKnowledgeRecord).default({}),
});
export type KnownPeers = z.output<typeof KnownPeers>;

/**
 * The text for the disk, never larger than what is read again; `left`: the peers that found no room. Coordinators first: they are
 * what a lost quorum is brought back with.
 */
export function printKnown(
  registrations: readonly Registration[],
  excused: KnownPeers['excused'],
  devices: KnownPeers['devices'],
): { readonly text: string; readonly left: readonly string[] } {
  const isCoordinator = ({ role }: Registration) => role === 'coordinator';
  const sorted = [...registrations.filter(isCoordinator), ...registrations.filter((peer) => !isCoordinator(peer))];
  const kept: Registration[] = [];
  const known: KnownPeers['devices'] = {};
  let chars = printRecord({ schema: 1, registrations: [], excused, devices: {} }).length;
  for (const registration of sorted) {
    const own = devices[registration.name];
    chars += printRecord(registration).length + (own === undefined ? 0 : printRecord(own).length + 80) + 1;
    if (chars > knownCharsMax || kept.length >= knownPeersMax) break;
    kept.push(registration);
    if (own !== undefined) known[registration.name] = own;
  }
  const left = sorted.slice(kept.length).map(({ name }) => name);
  return { text: printRecord({ schema: 1, registrations: kept, excused, devices: known } satisfies KnownPeers), left };
}

export function parseKnown(text: string): Parsed<KnownPeers> {
  return parseRecord(KnownPeers, text, knownCharsMax);
}
