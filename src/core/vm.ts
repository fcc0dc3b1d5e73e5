/**
 * A VM as a complete table, and what its node does about it.
 *
 * S2 rests on two fields of its record: `node`, its one home, and `active`: a guest of it may run there. Only the home starts
 * it, and only after it has written `active`; the home changes hands only when its own noded has seen the guest stopped, when
 * a live migration has brought it to the other side, or when the home is certainly off (S1b, S1c).
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';
import type { Table } from './machine.ts';

export const vmStates = {
  provision: 'its definition is being checked by its node; it does not run',
  start: 'it shall run on its node',
  shutdown: 'its guest is asked to shut down; after its time it is switched off',
  stop: 'it shall not run',
  restart: 'it is shut down, and then started again',
  migrate: 'it moves to another node: live, or if that does not work by shutdown and start',
  'migrate-live': 'it moves to another node while it runs; if that does not work it stays where it is',
  unmigrate: 'it moves back to the node that it came from',
  disable: 'it does not run, and nothing starts it but a person',
  fail: 'it did not run in spite of several tries, or its definition is refused: a person has to look',
} as const;
export type VmState = keyof typeof vmStates;

export const vmEvents = {
  start: 'an operator wants it to run',
  shutdown: 'an operator wants it shut down',
  stop: 'an operator wants it switched off',
  restart: 'an operator wants it restarted',
  disable: 'an operator wants that nothing starts it',
  migrate: 'it shall move, by shutdown and start if need be',
  migrateLive: 'it shall move, and never be shut down for that',
  unmigrate: 'it shall move back',
  accepted: 'libvirt takes its definition',
  refused: 'libvirt refuses its definition',
  isOff: 'its node has seen that it is off',
  stoppedByItself: 'the guest shut itself down, or somebody did it behind our back',
  gaveUp: 'it did not run in spite of several tries',
  moved: 'it runs on the target',
  handedOver: 'it is off here, and the target shall start it',
  stayed: 'the move has failed or was called off; it runs where it was',
  recovered: 'its node is certainly off, and another one was found for it',
  stranded: 'its node is certainly off, and there is no other one for it',
} as const;
export type VmEvent = keyof typeof vmEvents;

const to = (state: VmState) => ({ to: state, actions: [] }) as const;
const no = (ignored: string) => ({ ignored }) as const;
const never = (impossible: string) => ({ impossible }) as const;

const notMoving = {
  moved: never('it was not moving'),
  handedOver: never('it was not moving'),
  stayed: never('it was not moving'),
} as const;
const checked = {
  accepted: no('its definition was checked already'),
  refused: no('its definition was checked already'),
} as const;

const doesNotRun = {
  shutdown: no('it does not run'),
  restart: no('it does not run; nodectl vm start starts it'),
  migrate: no('it does not run; nodectl vm move gives it another node'),
  migrateLive: no('it does not run, so it cannot migrate live; nodectl vm move gives it another node'),
  unmigrate: no('it does not run; nodectl vm move gives it another node'),
  stoppedByItself: no('it shall not run anyway'),
  gaveUp: no('it shall not run'),
  ...checked,
  ...notMoving,
} as const;

const moving = (because: string) =>
  ({
    start: no(because),
    shutdown: no(because),
    stop: no(because),
    restart: no(because),
    disable: no(because),
    migrate: no('it is moving already'),
    migrateLive: no('it is moving already'),
    unmigrate: no('it is moving already'),
    isOff: to('stop'),
    stoppedByItself: to('stop'),
    gaveUp: to('fail'),
    moved: to('start'),
    stayed: to('start'),
    recovered: to('start'),
    stranded: to('stop'),
    ...checked,
  }) as const;
const callOff = 'it is moving; nodectl vm migrate --cancel calls that off';

export const vmTable: Table<VmState, VmEvent, never> = {
  provision: {
    start: no('its definition is still being checked'),
    shutdown: no('its definition is still being checked'),
    stop: no('its definition is still being checked'),
    restart: no('its definition is still being checked'),
    disable: no('its definition is still being checked'),
    migrate: no('its definition is still being checked'),
    migrateLive: no('its definition is still being checked'),
    unmigrate: no('its definition is still being checked'),
    accepted: to('stop'),
    refused: to('fail'),
    isOff: no('it has never run'),
    stoppedByItself: no('it has never run'),
    gaveUp: to('fail'),
    recovered: to('provision'),
    stranded: to('provision'),
    ...notMoving,
  },
  start: {
    start: no('it shall run already'),
    shutdown: to('shutdown'),
    stop: to('stop'),
    restart: to('restart'),
    disable: no('it shall run; shut it down or stop it first'),
    migrate: to('migrate'),
    migrateLive: to('migrate-live'),
    unmigrate: to('unmigrate'),
    isOff: no('it is started again'),
    stoppedByItself: to('stop'),
    gaveUp: to('fail'),
    recovered: to('start'),
    stranded: to('stop'),
    ...checked,
    ...notMoving,
  },
  shutdown: {
    start: to('start'),
    shutdown: no('it is being shut down already'),
    stop: to('stop'),
    restart: to('restart'),
    disable: no('it is being shut down; wait until it is off'),
    migrate: no('it is being shut down'),
    migrateLive: no('it is being shut down'),
    unmigrate: no('it is being shut down'),
    isOff: to('stop'),
    stoppedByItself: to('stop'),
    gaveUp: no('it shall not run'),
    recovered: to('stop'),
    stranded: to('stop'),
    ...checked,
    ...notMoving,
  },
  stop: {
    ...doesNotRun,
    start: to('start'),
    stop: no('it is stopped, or is being switched off'),
    disable: to('disable'),
    isOff: to('stop'),
    recovered: to('stop'),
    stranded: to('stop'),
  },
  restart: {
    start: no('it is being restarted'),
    shutdown: to('shutdown'),
    stop: to('stop'),
    restart: no('it is being restarted already'),
    disable: no('it is being restarted; shut it down or stop it first'),
    migrate: no('it is being restarted'),
    migrateLive: no('it is being restarted'),
    unmigrate: no('it is being restarted'),
    isOff: to('start'),
    stoppedByItself: to('start'),
    gaveUp: to('fail'),
    recovered: to('start'),
    stranded: to('stop'),
    ...checked,
    ...notMoving,
  },
  migrate: { ...moving(callOff), handedOver: to('start') },
  'migrate-live': { ...moving(callOff), handedOver: never('a forced live migration never shuts it down') },
  unmigrate: { ...moving(callOff), handedOver: to('start') },
  disable: {
    ...doesNotRun,
    start: to('start'),
    stop: to('stop'),
    disable: no('it is disabled already'),
    isOff: to('disable'),
    recovered: to('disable'),
    stranded: to('disable'),
  },
  fail: {
    ...doesNotRun,
    start: to('start'),
    stop: to('stop'),
    disable: to('disable'),
    isOff: to('fail'),
    recovered: to('fail'),
    stranded: to('fail'),
  },
};

/** States in which a VM moves from its node to its target. */
export const movingStates: readonly VmState[] = ['migrate', 'migrate-live', 'unmigrate'];
/** States in which it shall run, now or after a moment. */
export const runningStates: readonly VmState[] = ['start', 'restart', ...movingStates];

/**
 * `off` alone is off. `crashed`: it panicked, and its QEMU is kept for whoever wants to know why; `unknown`: libvirt knows it and
 * does not say how it is (core/guest-list.ts).
 */
export const guestPowers = ['running', 'paused', 'crashed', 'unknown', 'off'] as const;
export type GuestPower = (typeof guestPowers)[number];

/** A guest as a node's libvirt shows it. */
export interface Guest {
  readonly power: GuestPower;
  /** libvirt's own word for why, e.g. `booted`, `migration`, `shutdown`, `crashed`. */
  readonly reason: string;
}

export type MovePhase = 'asked' | 'prepared' | 'moving';

export interface GuestFacts {
  readonly self: string;
  readonly state: VmState;
  readonly node: string;
  readonly active: boolean;
  readonly move: { readonly target: string | null; readonly phase: MovePhase } | null;
  /** Null: this node's libvirt knows nothing of it. */
  readonly guest: Guest | null;
  /** Why the record may be of the past (the store was restored from an old copy); null: it counts. */
  readonly isOld: string | null;
  /** Why this node must not start anything right now; null: it may. */
  readonly mayNotStart: string | null;
  /** Starts of it that were needed lately because it was gone, or that failed. */
  readonly starts: number;
  readonly startsMax: number;
  /** Time since its guest was first asked to shut down; null: it was not asked. */
  readonly shutdownForMs: number | null;
  readonly shutdownTimeoutMs: number;
}

export type GuestStep =
  | 'nothing'
  /** Its definition is shown to libvirt. */
  | 'check'
  /** `active` is written, the lock is taken, the guest is started. */
  | 'start'
  /** It runs here, and the record is older than that: this node is its home. */
  | 'claim'
  /** It runs and the record does not say so. */
  | 'take-up'
  /** It stands paused for a migration that the record does not know of. */
  | 'end-left-paused'
  | 'shut-down'
  | 'switch-off'
  /** It is off, and that is recorded. */
  | 'record-off'
  | 'record-stopped-by-itself'
  | 'give-up'
  /** This node is the target and gets ready. */
  | 'prepare'
  /** This node is the home, and carries the move on from its phase. */
  | 'move'
  /** What is left here of a VM whose home is elsewhere. */
  | 'remove-foreign';

/** What a node does about one VM at this look (pure). A guest that is not certainly known is nobody's business here. */
export function judgeGuest(facts: GuestFacts): Decision<GuestStep> {
  const { self, node, move, guest, state } = facts;
  if (facts.isOld !== null) return judgeOld(facts, facts.isOld);
  if (node !== self) return judgeForeign(facts);
  if (state === 'provision') return decide('check', 'its definition was not checked yet');
  if (move !== null) return decide('move', `it moves to ${move.target ?? 'the best node'} (${move.phase})`);
  const power = guest?.power ?? 'off';
  if (state === 'start') return judgeRunning(facts);
  if (power === 'off') return judgeOff(facts);
  if (state === 'shutdown' || state === 'restart') return judgeShutdown(facts);
  return decide('switch-off', `it shall not run ("${state}"), and its guest is ${power}`);
}

/** What runs is true; the record is not. */
function judgeOld(facts: GuestFacts, because: string): Decision<GuestStep> {
  const { self, node, state, move, guest } = facts;
  if (!mustClaim(facts, self, guest)) return decide('nothing', guest?.power === 'running' ? 'it runs' : because);
  const recorded = `"${state}" on ${node}${move === null ? '' : `, moving to ${move.target ?? 'the best node'}`}`;
  const how = guest?.power === 'running' ? 'it runs' : `its guest is ${guest?.power ?? '?'}`;
  return decide('claim', `${how} on ${self}; the record (${recorded}) is of an old copy of ZooKeeper`);
}

/**
 * Whether a node has a guest that an old record does not show there. One that crashed and is kept, or is paused by an I/O error, has its
 * disks open as well. One that is paused for a migration may run on the other side at any moment; what is "unknown" may be off.
 */
export function mustClaim(
  { node, state, active, move }: Pick<GuestFacts, 'node' | 'state' | 'active' | 'move'>,
  self: string,
  guest: Guest | null,
): boolean {
  if (guest === null || guest.power === 'off' || guest.power === 'unknown' || isOnItsWay(guest)) return false;
  return node !== self || !active || state !== 'start' || move !== null;
}

/** It stands still for a migration: as its source, or as the target that takes it in. */
export function isOnItsWay({ power, reason }: Guest): boolean {
  return power === 'paused' && ['migration', 'starting up', 'post-copy', 'post-copy failed'].includes(reason);
}

/** What an operator reads about it, and what to do. */
export const keptAfterCrash =
  'it has crashed, and libvirt keeps it (on_crash is preserve); nodectl vm restart ends it and starts it again';

function judgeForeign({ self, node, move, guest, state }: GuestFacts): Decision<GuestStep> {
  const isTarget = move?.target === self;
  if (isTarget && move.phase === 'asked') return decide('prepare', `${node} wants to move it here`);
  if (isTarget) return decide('nothing', `${node} is moving it here`);
  if (guest === null) return decide('nothing', `its node is ${node}`);
  // What runs was there before: a definition that is not taken yet ends nothing.
  if (state === 'provision') return decide('nothing', `its definition is being checked on ${node}`);
  return decide('remove-foreign', `its node is ${node}, and a guest of it is ${guest.power} here (S2)`);
}

function judgeRunning(facts: GuestFacts): Decision<GuestStep> {
  const { guest, active, mayNotStart, starts, startsMax } = facts;
  if (guest !== null && guest.power !== 'off') {
    const how = guest.power === 'crashed' ? keptAfterCrash : `it is ${guest.power} (${guest.reason})`;
    if (!active) return decide('take-up', how);
    return guest.power === 'paused' && guest.reason === 'migration'
      ? decide('end-left-paused', how)
      : decide('nothing', how);
  }
  const reason = guest?.reason ?? 'libvirt does not know it';
  if (active && (reason === 'shutdown' || reason === 'destroyed'))
    return decide(
      'record-stopped-by-itself',
      reason === 'shutdown' ? 'its guest shut itself down' : 'somebody switched it off behind our back',
    );
  if (starts >= startsMax) return decide('give-up', `it is off again (${reason}) after ${starts} starts`, { starts });
  if (mayNotStart !== null) return decide('nothing', `it is not started: ${mayNotStart}`);
  return decide('start', active ? `it was running and is off (${reason})` : 'it shall run', { starts });
}

function judgeOff({ active, state, guest }: GuestFacts): Decision<GuestStep> {
  if (active || guest !== null || state === 'shutdown' || state === 'restart')
    return decide('record-off', `it is off (${guest?.reason ?? 'libvirt does not know it'})`);
  return decide('nothing', 'it is off');
}

function judgeShutdown({ guest, shutdownForMs, shutdownTimeoutMs }: GuestFacts): Decision<GuestStep> {
  if (guest?.power === 'crashed') return decide('switch-off', 'it has crashed, and does not listen to a shutdown');
  if (shutdownForMs !== null && shutdownForMs >= shutdownTimeoutMs)
    return decide('switch-off', `it has not shut down within ${inWords(shutdownTimeoutMs)}`);
  return decide('shut-down', 'it is asked to shut down');
}

/** How a VM is doing, for people. */
export type VmHealth = 'ok' | 'off' | 'trouble' | 'unknown';

export interface HealthFacts {
  readonly state: VmState;
  readonly active: boolean;
  /** What its node shows of it; `unknown`: the node's libvirt does not answer, or the node is silent. */
  readonly guest: Guest | null | 'unknown';
}

export function vmHealth({ state, active, guest }: HealthFacts): {
  readonly health: VmHealth;
  readonly because: string;
} {
  if (state === 'fail') return { health: 'trouble', because: vmStates.fail };
  if (guest === 'unknown') return { health: 'unknown', because: 'its node does not say how it is' };
  const power = guest?.power ?? 'off';
  if (runningStates.includes(state)) {
    if (power === 'running') return { health: 'ok', because: 'it runs' };
    if (power === 'paused') return { health: 'trouble', because: `it is paused (${guest?.reason ?? '?'})` };
    if (power === 'crashed') return { health: 'trouble', because: keptAfterCrash };
    if (power === 'unknown')
      return { health: 'unknown', because: `libvirt does not say how it is (${guest?.reason ?? '?'})` };
    return { health: 'trouble', because: active ? 'it should run and is off' : 'it is about to be started' };
  }
  return power === 'off'
    ? { health: 'off', because: 'it is off' }
    : { health: 'trouble', because: `it is still ${power}` };
}
