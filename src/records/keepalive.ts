/**
 * `nodes/<name>/keepalive`: the liveness proof and the health report, in one write: state, sequence and incarnation can
 * never be seen apart (a fresh state over an old sequence is how nodes elsewhere were fenced while starting).
 */
import * as z from 'zod';

export const SubsystemReport = z.object({
  health: z.enum(['ok', 'warning', 'error', 'unknown']),
  summary: z.string().max(300),
  /** Age of this value when the keepalive was written, in ms; null: there was never a value. */
  ageMs: z.number().nullable(),
  /** Why the newest collection gave nothing; null when it gave this value. */
  late: z.string().max(300).nullable(),
  facts: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});
export type SubsystemReport = z.output<typeof SubsystemReport>;

export const PeerView = z.object({
  verdict: z.enum(['alive', 'silent', 'dead', 'unknown', 'stopped', 'excused']),
  throws: z.int().min(0),
  silentMs: z.number().nullable(),
  because: z.string().max(600),
  /** The incarnation that this is about; null: none was seen, or the observer is of an older version. */
  incarnation: z.string().max(120).nullable().default(null),
  /** Its power reads off, or it is recorded as fenced: the storm guard does not count it. */
  isOff: z.boolean().default(false),
  /** Why it is held for dead and not fenced all the same: the guards that hold; null: none does. */
  held: z.string().max(600).nullable(),
});
export type PeerView = z.output<typeof PeerView>;

export const Keepalive = z.object({
  schema: z.literal(1),
  incarnation: z.string().min(1).max(120),
  sequence: z.int().min(0),
  state: z.enum(['starting', 'run', 'shutdown', 'stop']),
  coordinatorState: z.enum(['secondary', 'takeover', 'primary', 'relinquish', 'deposed']).nullable(),
  /** Why this coordinator may not become primary; null: it may. Workers: null. */
  ineligible: z.string().max(300).nullable(),
  /** Why this coordinator does not take the free role now, although it is eligible; null: nothing blocks it. */
  roleBlocked: z.string().max(600).nullable().default(null),
  /** The highest epoch of the role that this machine has ever seen: a store restored from an old copy does not know it. */
  epochSeen: z.int().min(0).default(0),
  /** Which life held the role then; null: it was free, or this node does not know. */
  epochHolder: z
    .object({ name: z.string().max(100), incarnation: z.string().max(120) })
    .nullable()
    .default(null),
  /** How many restores of ZooKeeper from an old copy this machine knows of; two nodes that know of the same one say the same number. */
  restores: z.int().min(0).default(0),
  /** It has seen the last of them not long ago, and who has not seen it yet shall know of it. */
  tellsOfRestore: z.boolean().default(false),
  intervalMs: z.int().positive(),
  /** For `shutdown`: how long the node asked for; 0 otherwise. */
  shutdownMs: z.number().min(0),
  /** For people only; no decision reads it (S5). */
  wallMs: z.number(),
  subsystems: z.record(z.string(), SubsystemReport),
  /** What this coordinator sees of its peers; only those about which there is something to say. */
  peers: z.record(z.string(), PeerView),
  /** Names of the cluster keys that this noded holds, the one that it writes with first. Absent: it is of an older version. */
  keys: z.array(z.string().max(16)).max(8).optional(),
  /**
   * The coordinators without whose agreement this one never goes on without the store (`primary.failsafe`); null: it never does. Absent: it
   * is of an older version, and nobody knows whom it asks.
   */
  failsafeAsks: z.array(z.string().max(100)).max(500).nullable().optional(),
  /** Number of the list of guests that this node has written over its present connection to ZooKeeper; null: it has written none over it. */
  guestList: z.int().min(0).nullable().default(null),
  /** Why this node has stepped down from its duties; null: it has not. */
  steppedDown: z.string().max(300).nullable(),
});
export type Keepalive = z.output<typeof Keepalive>;
