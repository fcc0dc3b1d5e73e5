/**
 * What the loops of one noded share: the environment, who we are, and the board on which each loop leaves its newest
 * values for the others. Nobody waits on the board: reading it is always instant (S8).
 */
import type { Config } from '../config/load.ts';
import type { DaemonState, NodeRole } from '../core/node.ts';
import type { PrimaryState } from '../core/primary.ts';
import type { GuestPower, VmState } from '../core/vm.ts';
import type { Environment } from '../environment/environment.ts';
import type { Keepalive, PeerView } from '../records/keepalive.ts';
import type { DeviceBook } from './fencing/device-book.ts';
import type { History } from './history.ts';
import { LivesBefore } from './lives-before.ts';
import { NodesBefore } from './nodes-before.ts';

export interface Identity {
  readonly name: string;
  readonly role: NodeRole;
  readonly priority: number;
  readonly incarnation: string;
  readonly version: string;
}

export interface CollectedReading {
  readonly health: 'ok' | 'warning' | 'error' | 'unknown';
  readonly summary: string;
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
  /** Monotonic time at which the last good value was taken; null: never. */
  readonly takenAtMs: number | null;
  /** Why the newest collection gave nothing; null when it did. */
  readonly late: string | null;
}

export interface Beat {
  readonly sequence: number;
  readonly sentMs: number;
  readonly ackedMs: number;
  /** The session in which it was written (SessionView.generation). */
  readonly generation: number;
}

/** A node's newest keepalive, and when (own monotonic clock) it was first seen. */
export interface LastSeen {
  readonly incarnation: string;
  readonly sequence: number;
  readonly atMs: number;
  /** It says `stop`. */
  readonly isStopped: boolean;
}

/** Mutable on purpose: one writer per field, named behind it. */
export interface Board {
  daemonState: DaemonState; // agent
  shutdownMs: number; // agent
  coordinatorState: PrimaryState | null; // role
  /** The epoch of the primary record as last read. */
  primaryEpoch: number; // primary
  /** The highest epoch that this machine has ever seen, and which life held the role then. */
  epochSeen: { readonly epoch: number; readonly holder: Keepalive['epochHolder'] }; // epoch-memory; on a worker seen-epochs
  /** The highest epoch of a write of the role's record that may have been carried out: nobody answered; null: none. */
  epochUnclear: { readonly epoch: number; readonly holder: Keepalive['epochHolder'] } | null; // primary-file
  /** Why this node may not become primary; null: it may. */
  ineligible: string | null; // primary
  /** Why this node does not take the free role now, or does not free a record of its previous run; null: nothing blocks it. */
  roleBlocked: string | null; // primary
  ownMaintenance: string | null; // primary
  keepsRoleInMaintenance: boolean; // primary
  /** Until when (monotonic) this node stays out of the contention, and why. */
  barredUntilMs: number; // primary, health
  barredBecause: string; // primary, health
  subsystems: Map<string, CollectedReading>; // collectors
  peers: Map<string, PeerView>; // monitor
  /** When (monotonic) this was seen so last. */
  lookedAtMs: number; // monitor
  /** The newest keepalive of each peer that this observer saw, and when (monotonic) it saw it first. */
  lastSeen: Map<string, LastSeen>; // monitor
  /** The last life of nodes that were removed from the cluster: a restored store may list them again. */
  readonly removed: Map<string, LastSeen>; // monitor
  /** The other coordinators that are registered. */
  otherCoordinators: readonly string[]; // monitor
  /** All that the last acknowledged keepalive, and those sent since, name as asked before this node goes on without the store. */
  saidToAsk: ReadonlySet<string>; // keepalive
  /** When (monotonic) this coordinator last agreed that a primary goes on without the store. */
  agreedAtMs: number; // answers
  /** The life of each node whose devices read on when they were last probed: a reading of off is a change since then. */
  provedOn: Map<string, string>; // verifier
  /** When (monotonic) the keepalive loop turned last. */
  keepaliveTurnMs: number; // keepalive
  /** Why the API address of this node does not count: it leads another node elsewhere; null: it is this node's alone. */
  apiTrouble: string | null; // own-api-address
  /** Why nothing can be written to the disk; null: it answers. */
  diskTrouble: string | null; // agent
  /** Whether this machine's watchdog is open: it ticks, and is fed. */
  watchdogArmed: boolean; // self-fence
  /** Within what time after its last acknowledged write this node certainly holds nothing; null: nobody may rely on that. */
  watchdogBoundMs: number | null; // self-fence
  /** Why a node that is held for dead is not fenced right now. */
  heldBack: Map<string, string>; // fence-start
  /** Nodes that somebody is fencing right now: their devices are left to that fence. */
  underFence: ReadonlySet<string>; // fencing
  /** Whether a guest of a VM may run on this machine. */
  guestsHeld: boolean; // vms
  /** Why this node shall hold nothing: it is being emptied. */
  draining: string | null; // drain
  steppedDown: string | null; // condemned
  /** Since when nobody is there who could go on with the own fence. */
  aloneSince: { readonly fenceId: string; readonly atMs: number } | null; // condemned
  /** ZooKeeper servers that are not used, and why; by server as configured. */
  refusedServers: Map<string, { readonly because: string; readonly isLasting: boolean }>; // store-gate
  lastBeat: Beat | null; // keepalive
  /** What the machine had slept (CLOCK4) when the last acknowledged keepalive was sent. */
  suspendedMs: number; // keepalive
  /** By how much the keepalive's last beat came late. */
  lateMs: number; // keepalive
  /** Monotonic time of the last pause of this process longer than an interval; null: none. */
  pausedAtMs: number | null; // keepalive
  quietUntilMs: number; // monitor
  /** When (own monotonic clock) it was seen that the store had been restored from an old copy; null: never. */
  setBackAtMs: number | null; // agent
  /** How many restores this machine knows of (records/keepalive.ts). */
  restores: number; // store-restore
  /** Whether the others, and this machine's disk, have been asked if that happened before this life began. */
  witnessesAsked: boolean; // store-restore
  /** Which lives of each node were seen before that; replaced by those that publish since. It keeps its own order (lives-before.ts). */
  readonly livesBefore: LivesBefore;
  /** What the previous incarnation left on the disk and was not read yet. */
  readonly recalling: Set<'restore' | 'epochs'>; // store-restore, epoch-memory
  /** Which nodes were registered before that. */
  readonly nodesBefore: NodesBefore;
  /** The life of each node that is recorded as off. */
  confirmedOff: ReadonlyMap<string, string | null>; // fencing
  /** The fences in each node's record, and since when (monotonic) this coordinator has seen them there. */
  readonly fencesSeen: Map<string, ReadonlyMap<number, number>>; // fencing
  /** Of which restore (setBackAtMs) every coordinator has been heard; null: of none. */
  roleHeardOfMs: number | null; // epoch-memory
  /** Of which restore (setBackAtMs) every node has said which guests it runs; null: of none. */
  vmsHeardOfMs: number | null; // vms/restored
  /** When (monotonic) each maintenance that was declared for some time ends, by path; `mark`: which declaration it is. */
  readonly maintenanceEnds: Map<string, { readonly mark: string; readonly atMs: number }>; // maintenance
  /** This node's row of the verifier's matrix. */
  proofs: ReadonlyMap<string, { readonly canFence: boolean; readonly wallMs: number }>; // verifier
  /** How many VMs whose node this is are in which state. */
  vmStates: ReadonlyMap<VmState, number>; // vms
  /** Number of the list of guests that was written over the present connection to ZooKeeper; null: none was. */
  guestList: number | null; // vms
  /** How many guests libvirt shows here with which power; null: it does not answer. */
  guestPowers: ReadonlyMap<GuestPower, number> | null; // vms
}

export interface Context {
  readonly env: Environment;
  readonly config: Config;
  readonly self: Identity;
  readonly board: Board;
  readonly history: History;
  /** What is known of the fence devices of all nodes. */
  readonly devices: DeviceBook;
  /** Aborted when the agent's duties end; the keepalive outlives it. */
  readonly duties: AbortSignal;
  /** Aborted when the keepalive ends: what must be made good although the duties are over goes on until then. */
  readonly life: AbortSignal;
}

export function newBoard(role: NodeRole): Board {
  return {
    daemonState: 'starting',
    shutdownMs: 0,
    coordinatorState: role === 'coordinator' ? 'secondary' : null,
    subsystems: new Map(),
    peers: new Map(),
    lookedAtMs: -Infinity,
    lastSeen: new Map(),
    removed: new Map(),
    heldBack: new Map(),
    underFence: new Set(),
    otherCoordinators: [],
    saidToAsk: new Set(),
    agreedAtMs: -Infinity,
    provedOn: new Map(),
    keepaliveTurnMs: 0,
    diskTrouble: null,
    apiTrouble: null,
    watchdogArmed: false,
    watchdogBoundMs: null,
    primaryEpoch: 0,
    epochSeen: { epoch: 0, holder: null },
    epochUnclear: null,
    ineligible: role === 'coordinator' ? 'it has just started' : null,
    roleBlocked: null,
    ownMaintenance: null,
    keepsRoleInMaintenance: false,
    barredUntilMs: 0,
    barredBecause: '',
    guestsHeld: false,
    draining: null,
    steppedDown: null,
    aloneSince: null,
    refusedServers: new Map(),
    lastBeat: null,
    suspendedMs: 0,
    lateMs: 0,
    pausedAtMs: null,
    quietUntilMs: 0,
    setBackAtMs: null,
    restores: 0,
    witnessesAsked: false,
    livesBefore: new LivesBefore(),
    recalling: new Set(role === 'coordinator' ? ['restore', 'epochs'] : ['restore']),
    nodesBefore: new NodesBefore(),
    confirmedOff: new Map(),
    fencesSeen: new Map(),
    roleHeardOfMs: null,
    vmsHeardOfMs: null,
    maintenanceEnds: new Map(),
    proofs: new Map(),
    vmStates: new Map(),
    guestList: null,
    guestPowers: null,
  };
}

/**
 * Age of the last acknowledged write in ms, counted from its sending; null: none in this session. What the machine slept since the
 * last acknowledged keepalive was sent counts too, for the clock of the sending stood still meanwhile (CLOCK4).
 */
export function contactAgeMs({ env, board }: Context): number | null {
  const { lastAckSentMs } = env.store.session();
  if (lastAckSentMs === null) return null;
  return env.clock.monotonicMs() - lastAckSentMs + env.clock.suspendedMs() - board.suspendedMs;
}

/**
 * When (monotonic) the last acknowledged keepalive of the current session was sent; null: none. The lease counts from it and from
 * nothing else: other nodes see keepalives only, and whoever waits for this machine's watchdog waits from the last one that it saw.
 */
export function keepaliveSentMs({ env, board }: Context): number | null {
  const { lastBeat } = board;
  return lastBeat?.generation === env.store.session().generation ? lastBeat.sentMs : null;
}

/** Age of the last acknowledged keepalive in ms, of any session, what the machine slept since included; null: none yet. */
export function keepaliveAgeMs({ env, board }: Context): number | null {
  if (board.lastBeat === null) return null;
  return env.clock.monotonicMs() - board.lastBeat.sentMs + env.clock.suspendedMs() - board.suspendedMs;
}
