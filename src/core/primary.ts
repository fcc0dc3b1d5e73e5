/**
 * The primary role as one coordinator lives it: a complete table. The record in the store says who may hold the
 * role; this says what that node does about it. S1 rests on two things here: `takeover` begins only with `appointed` (a
 * versioned write won, from a record that said that nobody holds the role), and `release` is done only after `stopped`.
 */
import type { Table } from './machine.ts';

export const primaryStates = {
  secondary: 'another coordinator holds the role, or none does; nothing of the primary runs here',
  takeover: 'the record names this life of this node; its hooks run and its resources are being started',
  primary: 'this node runs the primary resources, and proves in every lease that it still may',
  relinquish: 'this node is stopping the primary resources, to hand the role on',
  deposed: 'this node lost the role without handing it over; everything of it is being stopped at once',
} as const;
export type PrimaryState = keyof typeof primaryStates;

export const primaryEvents = {
  appointed: 'a versioned write made the record name this life (contention won, or handed over)',
  started: 'all resources run',
  startFailed: 'a hook or a resource could not be started, or one that died could not be restarted',
  askedToRelinquish: 'a transfer, maintenance, a shutdown or ill resources ask for the role to be handed on',
  stopped: 'every resource is stopped, and the hooks have ended',
  stopFailed: 'a resource could not be stopped',
  lost: 'the lease ran out, the record names another, or this node is being fenced',
} as const;
export type PrimaryEvent = keyof typeof primaryEvents;

export const primaryActions = {
  start: 'run the takeover hooks and start the resources in order',
  publish: 'write into the record that this node is primary',
  stop: 'run the relinquish hooks and stop the resources in reverse',
  stopAtOnce: 'stop every resource at once, then run the deposed hooks',
  release: 'write into the record that nothing of the role is left here',
  reset: 'reset this machine: what cannot be stopped must not go on (S9)',
} as const;
export type PrimaryAction = keyof typeof primaryActions;

const nothingHeld = { ignored: 'this node holds nothing of the role' } as const;
const aborted = { ignored: 'the role is lost: what was begun for it was aborted' } as const;

export const primaryTable: Table<PrimaryState, PrimaryEvent, PrimaryAction> = {
  secondary: {
    appointed: { to: 'takeover', actions: ['start'] },
    started: { impossible: 'nothing is being started in a secondary' },
    startFailed: { impossible: 'nothing is being started in a secondary' },
    askedToRelinquish: nothingHeld,
    stopped: { impossible: 'nothing is being stopped in a secondary' },
    stopFailed: { impossible: 'nothing is being stopped in a secondary' },
    lost: nothingHeld,
  },
  takeover: {
    appointed: { ignored: 'the takeover has begun already' },
    started: { to: 'primary', actions: ['publish'] },
    startFailed: { to: 'relinquish', actions: ['stop'] },
    askedToRelinquish: { ignored: 'a takeover is under way; it is asked again when it is over' },
    stopped: { impossible: 'nothing is being stopped in a takeover' },
    stopFailed: { impossible: 'nothing is being stopped in a takeover' },
    lost: { to: 'deposed', actions: ['stopAtOnce'] },
  },
  primary: {
    appointed: { ignored: 'this node is primary already' },
    started: { ignored: 'a resource that had died runs again' },
    startFailed: { to: 'relinquish', actions: ['stop'] },
    askedToRelinquish: { to: 'relinquish', actions: ['stop'] },
    stopped: { impossible: 'nothing is being stopped in a primary' },
    stopFailed: { impossible: 'nothing is being stopped in a primary' },
    lost: { to: 'deposed', actions: ['stopAtOnce'] },
  },
  relinquish: {
    appointed: { impossible: 'the record still names this life: nobody can appoint it again' },
    started: { impossible: 'nothing is being started while the role is given up' },
    startFailed: { impossible: 'nothing is being started while the role is given up' },
    askedToRelinquish: { ignored: 'the role is being given up already' },
    stopped: { to: 'secondary', actions: ['release'] },
    // A node that cannot let go keeps what it has: one working primary is better than none.
    stopFailed: { to: 'takeover', actions: ['start'] },
    lost: { to: 'deposed', actions: ['stopAtOnce'] },
  },
  deposed: {
    appointed: { impossible: 'the record cannot name this life anew before it has released the role' },
    started: aborted,
    startFailed: aborted,
    askedToRelinquish: { ignored: 'everything is being stopped already' },
    stopped: { to: 'secondary', actions: ['release'] },
    stopFailed: { to: 'deposed', actions: ['reset'] },
    lost: { ignored: 'the role is lost already' },
  },
};

/** What a node of this state is still holding, as far as anybody else must assume. */
export function holdsSomething(state: PrimaryState): boolean {
  return state !== 'secondary';
}
