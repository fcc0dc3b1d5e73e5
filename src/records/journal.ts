/**
 * What a noded remembers on its own disk: whether something of the primary may be running here, and the ring of its role
 * transitions. Written before the first resource starts and after the last one has stopped, so that the next life knows
 * what the former one may have left behind, also without the store.
 */
import * as z from 'zod';
import { transitionsMax } from '../core/transitions.ts';
import { TransitionEntry } from './transition.ts';

export const TenureJournal = z.object({
  schema: z.literal(1),
  /** Null: nothing of the primary runs here, all hooks have ended. */
  held: z.object({ epoch: z.int(), peer: z.string().nullable(), sinceWallMs: z.number() }).nullable(),
});
export type TenureJournal = z.output<typeof TenureJournal>;

export const TransitionJournal = z.object({
  schema: z.literal(1),
  ring: z.array(TransitionEntry).max(transitionsMax),
});
export type TransitionJournal = z.output<typeof TransitionJournal>;

/** The highest epoch of the role that this machine has seen, and which life held it; null: it was free. */
export const EpochJournal = z.object({
  schema: z.literal(1),
  highest: z.int().min(0),
  holder: z.string().nullable(),
  incarnation: z.string().nullable(),
});
export type EpochJournal = z.output<typeof EpochJournal>;

export const epochFile = 'epoch.json';
export const tenureFile = 'tenure.json';
export const transitionsFile = 'transitions.json';
