/**
 * `once/<name>`: something that must succeed exactly once in the life of the cluster (a bootstrap), and what came of it.
 * `once/<name>/run` is an ephemeral of the nodectl that runs it: as long as it stands the run is alive.
 */
import * as z from 'zod';

export const OnceRecord = z.object({
  schema: z.literal(1),
  /** started: it runs, or (without the ephemeral) was left half done · completed: never again · failed: may be tried again */
  state: z.enum(['started', 'completed', 'failed']),
  node: z.string().max(100),
  epoch: z.int(),
  by: z.string().max(200),
  command: z.array(z.string()).max(200),
  startedWallMs: z.number(),
  endedWallMs: z.number().nullable(),
  code: z.int().nullable(),
  because: z.string().max(500),
  /** Which run it is: tells one's own write from that of another whose answer was lost. Absent: an older nodectl. */
  run: z.string().max(40).optional(),
});
export type OnceRecord = z.output<typeof OnceRecord>;

/** What a coordinator remembers on its disk of what it saw done. */
export const OnceDone = z.object({
  node: z.string().max(100),
  epoch: z.int(),
  endedWallMs: z.number(),
  because: z.string().max(500),
});
export type OnceDone = z.output<typeof OnceDone>;

export const onceDoneMax = 1000;

export const OnceJournal = z.object({ schema: z.literal(1), done: z.record(z.string().max(100), OnceDone) });

export const onceFile = 'once.json';
