/**
 * What a noded remembers on its own disk: whether something of the primary may be running here, and the ring of its role
 * transitions. Written before the first resource starts and after the last one has stopped, so that the next life knows
 * what the former one may have left behind, also without the store.
 */
import * as z from 'zod';
import { transitionsMax } from '../core/transitions.ts';
import { Life, NamesBefore, livesMax } from './api.ts';
import { TransitionEntry } from './transition.ts';

export const TenureJournal = z.object({
  schema: z.literal(1),
  /** Null: nothing of the primary runs here, all hooks have ended. */
  held: z
    .object({
      epoch: z.int(),
      peer: z.string().nullable(),
      /** The epoch is that of a hand-over that was being prepared: the store may never have given it. */
      isPromised: z.boolean().default(false),
      sinceWallMs: z.number(),
    })
    .nullable(),
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

/** The cgroups of the commands that run under the role (nodectl primary run), so that the next run of noded ends them. */
export const HoldsJournal = z.object({ schema: z.literal(1), cgroups: z.array(z.string().max(1000)).max(1000) });

/**
 * What an incarnation leaves of the store to the next one on this machine: whether it waits after a restore, and what it saw last, so that
 * the next one notices a restore by which all nodes were stopped.
 */
export const RestoreJournal = z.object({
  schema: z.literal(1),
  /** What happened after the copy of the last restore is known again. */
  isOver: z.boolean(),
  /** Why the store was held for restored; '': it never was. */
  because: z.string().max(1000),
  /** How many restores this machine knows of (keepalive.ts). */
  restores: z.int().min(0).default(0),
  /** If it waits: those that were seen before the restore. */
  lives: z.array(Life).max(livesMax),
  nodes: NamesBefore,
  /** The own keepalive that was acknowledged last. */
  witness: z
    .object({ version: z.int().min(0), incarnation: z.string().max(120), sequence: z.int().min(0).nullable() })
    .nullable(),
});
export type RestoreJournal = z.output<typeof RestoreJournal>;

export const holdsFile = 'commands.json';
export const epochFile = 'epoch.json';
export const restoreFile = 'restore.json';
/** Lives and names for 2000 nodes. */
export const restoreCharsMax = 1024 * 1024;
export const tenureFile = 'tenure.json';
export const transitionsFile = 'transitions.json';
