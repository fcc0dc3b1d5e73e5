/** What one noded asks another (or nodectl its own), and what it is answered. One question, one answer, both JSON. */
import * as z from 'zod';
import { nodeNamePattern } from '../core/node.ts';
import { HistoryEvent } from './history.ts';
import { MetricSample } from './metrics.ts';
import { OnceDone } from './once.ts';
import { TransitionEntry } from './transition.ts';
import { VmRecord } from './vm.ts';
import { VmView } from './vm-view.ts';

const name = z.string().regex(nodeNamePattern);

export const VmOrder = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['start', 'shutdown', 'stop', 'restart', 'disable', 'unmigrate', 'cancel']) }),
  z.object({ kind: z.literal('migrate'), target: name.nullable(), forceLive: z.boolean() }),
  z.object({ kind: z.literal('move'), target: name.nullable() }),
]);
export type VmOrder = z.output<typeof VmOrder>;

/** The node that a question is for, the node that asks (null: an operator), and a number used once. */
const addressed = { to: name, from: name.nullable(), nonce: z.string().min(8).max(64) };
/** The node that answers, in which incarnation, and the nonce of the question. */
const signed = { node: name, incarnation: z.string().max(120), nonce: z.string().max(64) };

export const ApiQuestion = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('status') }),
  z.object({ kind: z.literal('debug') }),
  z.object({ kind: z.literal('leave-election'), to: name.optional() }),
  /**
   * Do you reach the store? For survivors of a lost quorum. `knowsOfRestore`: the asker has seen that the store was restored; `restores`: of
   * how many restores it knows (keepalive.ts).
   */
  z.object({
    kind: z.literal('quorum'),
    ...addressed,
    knowsOfRestore: z.boolean().optional(),
    restores: z.int().min(0).optional(),
  }),
  /** How does each ZooKeeper server look from you, right now? */
  z.object({ kind: z.literal('servers'), ...addressed }),
  /** The whole view of that, for nodectl. */
  z.object({ kind: z.literal('quorum-view') }),
  /** Failsafe: may the asking primary go on for one more lease? */
  z.object({ kind: z.literal('agree'), ...addressed, from: name, incarnation: z.string().max(120), epoch: z.int() }),
  /** On this machine only: is this node primary, and for how long is that certain? */
  z.object({ kind: z.literal('lease'), forMs: z.number().min(0) }),
  /**
   * On this machine only: keeps a command alive that may run only while this node is primary. The answer waits up to
   * `waitMs` for something to change. `epoch` binds it: another epoch is answered with `stop`.
   */
  z.object({
    kind: z.literal('hold'),
    id: z.string().max(40),
    epoch: z.int().nullable(),
    waitMs: z.number().min(0).max(60_000),
    /** With the first question: the cgroup that the command will run in, and the name of a `once`. */
    cgroup: z.string().max(1000).nullable().optional(),
    once: z.string().max(100).nullable().optional(),
  }),
  z.object({ kind: z.literal('release'), id: z.string().max(40) }),
  /** On this machine only: has this coordinator ever seen that `once` completed? It looks at the store first. */
  z.object({ kind: z.literal('once'), name: z.string().max(100) }),
  /** The whole cluster, for the page. */
  z.object({ kind: z.literal('cluster') }),
  /** The newest lines of its log, for a support bundle. */
  z.object({ kind: z.literal('log'), most: z.int().min(1).max(2000) }),
  /** For load balancers. */
  z.object({ kind: z.literal('health') }),
  /** What this noded holds true right now, for Prometheus. */
  z.object({ kind: z.literal('metrics') }),
  z.object({ kind: z.literal('vms') }),
  /** A command on a VM, by its name or UUID: the same rules as for nodectl (core/vm-command.ts). */
  z.object({ kind: z.literal('vm-order'), name: z.string().max(200), order: VmOrder, by: z.string().max(200) }),
]);
export type ApiQuestion = z.output<typeof ApiQuestion>;

/** 200 primary · 202 in transition · 303 secondary, `primary` says who · 503 neither, `message` says why. */
const StatusAnswer = z.object({
  kind: z.literal('status'),
  node: name,
  incarnation: z.string(),
  status: z.union([z.literal(200), z.literal(202), z.literal(303), z.literal(503)]),
  message: z.string(),
  state: z.string(),
  primary: z.string().nullable(),
  epoch: z.int(),
  leaseLeftMs: z.number().nullable(),
});

const DebugAnswer = z.object({
  kind: z.literal('debug'),
  node: name,
  status: StatusAnswer,
  record: z.unknown(),
  view: z.record(z.string(), z.unknown()),
  transitions: z.array(TransitionEntry),
  /** Whom this node knows, for a nodectl that cannot ask the store. */
  coordinators: z.array(z.object({ name, apiAddress: z.string().nullable() })),
  loop: z.object({ cycle: z.array(z.string()), times: z.int(), advice: z.string() }).nullable(),
});
export type DebugAnswer = z.output<typeof DebugAnswer>;

export const QuorumView = z.object({
  node: name,
  storeLive: z.boolean(),
  /** For how long it has had no live session; 0: it has one. */
  awayMs: z.number(),
  /** What is being done about it, or why nothing is. */
  doing: z.string(),
  /** ZooKeeper servers that it does not use, and why (S12). */
  /** `isLasting`: it belongs to another store; else too few servers answer to know. */
  refused: z
    .array(z.object({ server: z.string(), because: z.string(), isLasting: z.boolean().default(true) }))
    .default([]),
  others: z.array(
    z.object({
      name,
      answer: z.enum(['store-there', 'store-away', 'nothing']),
      excused: z.string().nullable(),
      power: z.enum(['on', 'off', 'unknown']),
    }),
  ),
  /** The last that was known of every node, with its age. */
  known: z.array(
    z.object({
      name,
      role: z.enum(['coordinator', 'worker']),
      apiAddress: z.string().nullable(),
      last: z.string(),
      ageMs: z.number().nullable(),
    }),
  ),
});
export type QuorumView = z.output<typeof QuorumView>;

const LeaseAnswer = z.object({
  node: name,
  primary: z.boolean(),
  epoch: z.int(),
  /** End of what is guaranteed, on this machine's monotonic clock (CLOCK_MONOTONIC, ms); 0: nothing is. */
  guaranteedUntilMs: z.number(),
  leaseLeftMs: z.number(),
  because: z.string(),
});
export type LeaseAnswer = z.output<typeof LeaseAnswer>;

/** What the page shows: the cluster as one noded's store showed it (view/cluster-view.ts), and what happened lately. */
export const ClusterPicture = z.object({
  seenBy: name,
  wallMs: z.number(),
  savingThrows: z.int(),
  /** From the last keepalive to a dead verdict. */
  deadAfterMs: z.number(),
  leaseMs: z.number(),
  view: z.unknown(),
  /** Oldest first. */
  events: z.array(HistoryEvent),
});
export type ClusterPicture = z.output<typeof ClusterPicture>;

/** One life of a node; `stoppedAt`: the sequence of its keepalive `stop`, null if it did not stop in good order. */
export const Life = z.object({
  name,
  incarnation: z.string().max(120),
  stoppedAt: z.int().min(0).nullable().default(null),
});
export type Life = z.output<typeof Life>;
/** Lives in one answer, and nodes of each kind. */
export const livesMax = 2000;
/** Nodes that were registered before ZooKeeper was restored or recreated. */
export const NamesBefore = z.object({
  coordinators: z.array(name).max(livesMax).default([]),
  /** That run VMs. */
  hypervisors: z.array(name).max(livesMax).default([]),
});
export type NamesBefore = z.output<typeof NamesBefore>;

export const ApiAnswer = z.union([
  StatusAnswer,
  DebugAnswer,
  z.object({ kind: z.literal('leave-election'), left: z.boolean(), because: z.string() }),
  z.object({ kind: z.literal('agree'), ...signed, agrees: z.boolean(), because: z.string() }),
  LeaseAnswer.extend({ kind: z.literal('lease') }),
  LeaseAnswer.extend({ kind: z.literal('hold') }),
  z.object({ kind: z.literal('release') }),
  z.object({ kind: z.literal('once'), done: OnceDone.nullable() }),
  /** `refusal`: the question was not for this node, and nothing of the answer counts. */
  z.object({
    kind: z.literal('quorum'),
    ...signed,
    storeLive: z.boolean(),
    refusal: z.string().nullable(),
    /** Version of its own keepalive that was acknowledged last; null: none was. */
    witness: z.int().min(0).nullable().default(null),
    /** The sequence of that keepalive; null: an older noded does not tell it. */
    witnessSequence: z.int().min(0).nullable().default(null),
    /** Whether it saw that ZooKeeper was restored from an old copy, and what happened after that copy may not be known yet. */
    waitsAfterRestore: z.boolean().default(false),
    /** How long ago it saw that; null: it did not, or an older noded does not tell it. */
    restoreAgeMs: z.number().min(0).nullable().default(null),
    /** How many restores it knows of (keepalive.ts). */
    restores: z.int().min(0).default(0),
    /** Whether it has not read yet what its previous incarnation left on the disk: it may know more than it says. */
    isRecalling: z.boolean().default(false),
    /** The newest life of each node that it has seen; if it knows of a restore, before that. */
    lives: z.array(Life).max(livesMax).default([]),
    /** The nodes that it knows; if it knows of a restore, before that. */
    nodesBefore: NamesBefore.default({ coordinators: [], hypervisors: [] }),
    /** The highest epoch of the role that it has ever seen, and who held it. */
    epochSeen: z.int().min(0).default(0),
    epochHolder: z
      .object({ name, incarnation: z.string().max(120) })
      .nullable()
      .default(null),
  }),
  z.object({
    kind: z.literal('servers'),
    ...signed,
    seen: z.array(z.object({ server: z.string().max(300), health: z.enum(['serves', 'hangs', 'away']) })).max(100),
    refusal: z.string().nullable(),
  }),
  z.object({ kind: z.literal('quorum-view'), view: QuorumView }),
  /** `because`: why the picture is old, or why there is none; `leaseLeftMs`: if this node is primary. */
  z.object({
    kind: z.literal('cluster'),
    picture: ClusterPicture.nullable(),
    because: z.string().nullable(),
    leaseLeftMs: z.number().nullable(),
  }),
  z.object({ kind: z.literal('log'), node: name, lines: z.array(z.string()) }),
  z.object({ kind: z.literal('health'), healthy: z.boolean(), ready: z.boolean(), because: z.string() }),
  z.object({ kind: z.literal('metrics'), samples: z.array(MetricSample) }),
  /** Null: the store does not answer. */
  z.object({ kind: z.literal('vms'), vms: z.array(VmView).nullable() }),
  /** done: written · refused: a rule forbids it · unknown: there is no such VM · away: the store does not answer. */
  z.object({
    kind: z.literal('vm-order'),
    outcome: z.enum(['done', 'refused', 'unknown', 'away']),
    because: z.string(),
    vm: VmRecord.nullable(),
  }),
]);
export type ApiAnswer = z.output<typeof ApiAnswer>;
export type StatusAnswer = z.output<typeof StatusAnswer>;
