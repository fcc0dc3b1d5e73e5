/**
 * What the loops of one noded share: the environment, who we are, and the board on which each loop leaves its newest
 * values for the others. Nobody waits on the board: reading it is always instant (S8).
 */
import type { Config } from '../config/load.ts';
import type { DaemonState, NodeRole } from '../core/node.ts';
import type { PrimaryState } from '../core/primary.ts';
import type { GuestPower, VmState } from '../core/vm.ts';
import type { Environment } from '../environment/environment.ts';
import type { PeerView } from '../records/keepalive.ts';
import type { History } from './history.ts';

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
}

/** Mutable on purpose: one writer per field, named behind it. */
export interface Board {
  daemonState: DaemonState; // agent
  shutdownMs: number; // agent
  coordinatorState: PrimaryState | null; // role
  /** The epoch of the primary record as last read. */
  primaryEpoch: number; // primary
  /** Why this node may not become primary; null: it may. */
  ineligible: string | null; // primary
  ownMaintenance: string | null; // primary
  keepsRoleInMaintenance: boolean; // primary
  /** Until when (monotonic) this node stays out of the contention, and why. */
  barredUntilMs: number; // primary, health
  barredBecause: string; // primary, health
  subsystems: Map<string, CollectedReading>; // collectors
  peers: Map<string, PeerView>; // monitor
  /** The newest keepalive of each peer that this observer saw, and when (monotonic) it saw it first. */
  lastSeen: Map<string, { readonly incarnation: string; readonly sequence: number; readonly atMs: number }>; // monitor
  /** When (monotonic) this coordinator last agreed that a primary goes on without the store. */
  agreedAtMs: number; // answers
  /** The life of each node whose devices read on when they were last probed: a reading of off is a change since then. */
  provedOn: Map<string, string>; // verifier
  /** When (monotonic) the keepalive loop turned last. */
  keepaliveTurnMs: number; // keepalive
  /** Whether this machine's watchdog is armed: the bound may be published. */
  watchdogArmed: boolean; // self-fence
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
  lastBeat: Beat | null; // keepalive
  /** What the machine had slept (CLOCK4) when the last acknowledged keepalive was sent. */
  suspendedMs: number; // keepalive
  /** By how much the keepalive's last beat came late. */
  lateMs: number; // keepalive
  /** Monotonic time of the last pause of this process longer than an interval; null: none. */
  pausedAtMs: number | null; // keepalive
  quietUntilMs: number; // monitor
  /** This node's row of the verifier's matrix. */
  proofs: ReadonlyMap<string, { readonly canFence: boolean; readonly wallMs: number }>; // verifier
  /** How many VMs whose node this is are in which state. */
  vmStates: ReadonlyMap<VmState, number>; // vms
  /** How many guests libvirt shows here with which power; null: it does not answer. */
  guestPowers: ReadonlyMap<GuestPower, number> | null; // vms
}

export interface Context {
  readonly env: Environment;
  readonly config: Config;
  readonly self: Identity;
  readonly board: Board;
  readonly history: History;
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
    lastSeen: new Map(),
    heldBack: new Map(),
    underFence: new Set(),
    agreedAtMs: -Infinity,
    provedOn: new Map(),
    keepaliveTurnMs: 0,
    watchdogArmed: false,
    primaryEpoch: 0,
    ineligible: role === 'coordinator' ? 'it has just started' : null,
    ownMaintenance: null,
    keepsRoleInMaintenance: false,
    barredUntilMs: 0,
    barredBecause: '',
    guestsHeld: false,
    draining: null,
    steppedDown: null,
    aloneSince: null,
    lastBeat: null,
    suspendedMs: 0,
    lateMs: 0,
    pausedAtMs: null,
    quietUntilMs: 0,
    proofs: new Map(),
    vmStates: new Map(),
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
