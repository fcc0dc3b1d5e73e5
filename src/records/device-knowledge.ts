/**
 * `nodes/<name>/devices`: what is known of a node's fence devices (core/device-trust.ts). One record for all coordinators:
 * a finding outlives whoever made it. What cannot be read counts as distrust.
 */
import * as z from 'zod';
import { findingKinds } from '../core/device-trust.ts';

const kinds = Object.keys(findingKinds) as [keyof typeof findingKinds];

const place = { device: z.string().max(63), where: z.string().max(700) };

/** A finding whose end is forgotten could come back with an old copy of the store. */
export const endedMax = 120;

/** A node has at most 17 devices; some places of former ones may still stand in the record. */
export const placesMax = 40;
export const findingsMax = 3 * placesMax;
/** Those of all coordinators. */
export const silencesMax = 3 * placesMax;

/** A device that a coordinator met silent, and has not met settled since (agent/fencing/silence-board.ts). */
const Silence = z.object({
  where: place.where,
  by: z.string().max(100),
  /** Wall clock of that coordinator in ms: for people, and to tell one silence from the next. */
  sinceWallMs: z.number(),
});
export type Silence = z.output<typeof Silence>;

export const DeviceKnowledgeRecord = z.object({
  schema: z.literal(1),
  /** Grows with each change. Of two copies the one with the higher revision is newer, also after a restore of the store. */
  revision: z.int().min(1),
  findings: z
    .array(
      z.object({
        ...place,
        kind: z.enum(kinds),
        readsOnAgain: z.boolean(),
        isCleared: z.boolean().default(false),
        commands: z.int().min(0),
        because: z.string().max(600),
        by: z.string().max(100),
        sinceWallMs: z.number(),
      }),
    )
    .max(findingsMax),
  seenOn: z.array(z.object(place)).max(placesMax),
  /** What did not answer; the newest. */
  silent: z.array(Silence).max(silencesMax).default([]),
  /** Keys of findings that were refuted or taken back; the newest. */
  ended: z.array(z.string().max(1000)).max(endedMax).default([]),
  /** Who took findings back by hand last, and why; null: nobody. */
  cleared: z.object({ by: z.string().max(200), reason: z.string().max(500), wallMs: z.number() }).nullable(),
});
export type DeviceKnowledgeRecord = z.output<typeof DeviceKnowledgeRecord>;
