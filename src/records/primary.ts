/**
 * `primary`: who may hold the role, with the epoch that is the fencing token of everything done in its name. State `none`
 * is written only when nothing of the last holder is left: by itself after it stopped everything, by its next life after it
 * made sure of that, or together with the record that power read off (S1). `none` is therefore the permission to contend;
 * nothing is ever inferred from a session that ended.
 */
import * as z from 'zod';
import { nodeNamePattern } from '../core/node.ts';

export const PrimaryRecord = z.object({
  schema: z.literal(1),
  state: z.enum(['none', 'takeover', 'primary', 'relinquish']),
  /** Null if and only if the state is `none`. */
  holder: z.string().regex(nodeNamePattern).nullable(),
  incarnation: z.string().max(120).nullable(),
  /** Grows by one each time that the role changes hands; never falls. */
  epoch: z.int().min(0),
  /** Who wrote this, and a mark by which an unclear write is found again. */
  by: z.string().max(100),
  writeId: z.string().max(40),
  because: z.string().max(500),
  sinceWallMs: z.number(),
  /** The transfer that is under way; null: none. */
  transfer: z.string().max(60).nullable(),
  /** Who held it before. */
  previous: z.string().max(100).nullable(),
});
export type PrimaryRecord = z.output<typeof PrimaryRecord>;

export const noPrimary: PrimaryRecord = {
  schema: 1,
  state: 'none',
  holder: null,
  incarnation: null,
  epoch: 0,
  by: '-',
  writeId: '-',
  because: 'nobody has ever been primary',
  sinceWallMs: 0,
  transfer: null,
  previous: null,
};
