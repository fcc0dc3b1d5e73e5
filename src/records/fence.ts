/**
 * `fencing/<name>`: the verdict and every step of the fence, with evidence; it survives the fencer.
 * `fencing`: the ledger of all nodes that are being dealt with, moved in the same transaction as the record, so that
 * the limit on concurrent fences is exact.
 */
import * as z from 'zod';
import { fenceStates, fenceTable, isUnderWay } from '../core/fencing.ts';
import { step } from '../core/machine.ts';

const stateNames = Object.keys(fenceStates) as [keyof typeof fenceStates];

export const FenceStep = z.object({
  /** For people, and for durations within one fencer's account; never compared between machines. */
  wallMs: z.number(),
  by: z.string(),
  what: z.string().max(60),
  because: z.string().max(1000),
});
export type FenceStep = z.output<typeof FenceStep>;

/** Steps kept in one record; the middle of a longer story is dropped, its beginning and end are kept. */
export const fenceStepsMax = 60;

export const FenceRecord = z.object({
  schema: z.literal(1),
  state: z.enum(stateNames),
  /** Follows one fence through all nodes' logs and the history. */
  id: z.string().max(64),
  target: z.string(),
  /** The life that was condemned; a later life of the same node is not touched by this record. */
  incarnation: z.string().nullable(),
  /** The last keepalive of that life, as the verdict saw it. */
  sequence: z.int().nullable(),
  /**
   * The last keepalive there was when power read off after an order of this fence, and none followed for a beat and a half: it is no
   * sign of life any more. Null or absent (older versions): there was no such moment.
   */
  signAtOff: z.object({ incarnation: z.string().nullable(), sequence: z.int().nullable() }).nullish(),
  action: z.enum(['off', 'reboot']),
  reason: z.string().max(1000),
  askedBy: z.string().max(200).nullable(),
  /** Name of the operator's request that this fence answers; a request is carried out once. */
  requestId: z.string().max(100).nullable(),
  fencer: z.string(),
  fencerIncarnation: z.string(),
  verdictWallMs: z.number(),
  confirmedWallMs: z.number().nullable(),
  recordedWallMs: z.number().nullable(),
  /** The level that made sure of it: devices, `watchdog`, or `manual` for an operator's word. */
  level: z.string().max(600).nullable(),
  /** The level that is being tried, or was tried last. */
  attempting: z.string().max(600).nullable(),
  /** What was tried and failed in this round, and how many rounds are over. */
  tried: z.array(z.object({ level: z.string().max(600), by: z.string() })).max(500),
  rounds: z.int().min(0),
  rejoinedAs: z.string().nullable(),
  /** Places of devices that did not answer at all in an attempt of this fence: they may have restarted, and report off then. */
  unanswered: z.array(z.string().max(700)).max(17).default([]),
  /** Places of devices that refused an order in their present state: off already, or just restarted. */
  refused: z.array(z.string().max(700)).max(17).default([]),
  /** Whether a power-off command may have been sent in this attempt; written before the first one. */
  touched: z.boolean().default(false),
  /** The same, in any attempt of this fence. */
  commanded: z.boolean().default(false),
  /** An operator's reason why its devices are the right ones although they seem to be another machine's; null: none given. */
  deviceIsRight: z.string().max(500).nullable().default(null),
  steps: z.array(FenceStep).max(fenceStepsMax),
  /**
   * The fences of this node that were recorded in the last hour (loop guard), each by the wall time of its fencer: a name, no two are
   * equal. How old they are each coordinator knows by its own clock (agent/fencing/recent-fences.ts).
   */
  recentWallMs: z.array(z.number()).max(50),
});
export type FenceRecord = z.output<typeof FenceRecord>;

export const FenceLedger = z.object({
  schema: z.literal(1),
  /** Node -> the state of its fence, only for those that are under way or failed. */
  entries: z.record(z.string(), z.enum(stateNames)),
});
export type FenceLedger = z.output<typeof FenceLedger>;

export const emptyLedger: FenceLedger = { schema: 1, entries: {} };

/** The record of a node that was never fenced. */
export function noFence(target: string): FenceRecord {
  return {
    schema: 1,
    state: 'none',
    id: '',
    target,
    incarnation: null,
    sequence: null,
    action: 'off',
    reason: '',
    askedBy: null,
    requestId: null,
    fencer: '',
    fencerIncarnation: '',
    verdictWallMs: 0,
    confirmedWallMs: null,
    recordedWallMs: null,
    level: null,
    attempting: null,
    tried: [],
    rounds: 0,
    rejoinedAs: null,
    unanswered: [],
    refused: [],
    touched: false,
    commanded: false,
    deviceIsRight: null,
    steps: [],
    recentWallMs: [],
  };
}

/** Appends steps within the limit. */
export function withSteps(record: FenceRecord, steps: readonly FenceStep[]): FenceRecord {
  const all = [...record.steps, ...steps];
  const kept = all.length <= fenceStepsMax ? all : [...all.slice(0, 20), ...all.slice(all.length - fenceStepsMax + 20)];
  return { ...record, steps: kept };
}

export const hourMs = 3_600_000;

/** The fences of the last hour with the one that is recorded now, which is the last. A fence that fails or is cancelled is none. */
export function recentFences(
  { recentWallMs }: FenceRecord,
  nowWallMs: number,
  isOld: (at: number) => boolean,
): readonly [...number[], number] {
  const recent = recentWallMs.filter((at) => !isOld(at)).slice(-49);
  let at = nowWallMs;
  while (recentWallMs.includes(at)) at += 1;
  return [...recent, at];
}

/** The ledger with `record`'s node entered or struck out. */
export function entered(ledger: FenceLedger, target: string, record: FenceRecord): FenceLedger {
  const entries = Object.fromEntries(Object.entries(ledger.entries).filter(([name]) => name !== target));
  if (isUnderWay(record.state) || record.state === 'finished') entries[target] = record.state;
  return { schema: 1, entries };
}

/** The record of a fence that an operator cancels; null: its state answers that with nothing (core/fence-cancel.ts says why). */
export function cancelledBy(record: FenceRecord, by: string, because: string, wallMs: number): FenceRecord | null {
  const moved = step(fenceTable, record.state, 'operatorCancels');
  if (moved.kind === 'ignored') return null;
  return withSteps({ ...record, state: moved.to }, [
    { wallMs, by, what: 'cancelled', because: because.slice(0, 1000) },
  ]);
}
