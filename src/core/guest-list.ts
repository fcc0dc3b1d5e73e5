/**
 * What libvirt says of its guests, as one fact or none (S2). It answers in two halves, names and states, each by a request of
 * its own. A list is taken only when both succeeded and tell of the same guests: half an answer would make every guest that it
 * leaves out look off.
 */
import type { Guest } from './vm.ts';

export type Half<T> =
  { readonly ok: true; readonly value: readonly T[] } | { readonly ok: false; readonly because: string };

export interface NamedGuest {
  readonly uuid: string;
  readonly name: string;
}

/** `state` and `reason` by libvirt's numbers. */
export interface GuestState {
  readonly name: string;
  readonly state: number;
  readonly reason: number;
}

export type WholeList =
  | { readonly ok: true; readonly value: Map<string, Guest> }
  /** `isTorn`: both halves came, and do not fit together; a guest that came or went in between makes that so for a moment. */
  | { readonly ok: false; readonly because: string; readonly isTorn: boolean };

export function wholeList(names: Half<NamedGuest>, states: Half<GuestState>): WholeList {
  for (const half of [names, states]) if (!half.ok) return { ...half, isTorn: false };
  if (!names.ok || !states.ok) throw new Error('a half that is not ok is no list');
  const torn = (because: string) => ({ ok: false, because, isTorn: true }) as const;
  const stateOf = new Map(states.value.map((state) => [plain(state.name), state]));
  const guests = new Map<string, Guest>();
  for (const { uuid, name } of names.value) {
    const state = stateOf.get(plain(name));
    if (state === undefined) return torn(`libvirt lists "${name}" (${uuid}) and does not say its state`);
    guests.set(uuid, guestOf(state.state, state.reason));
  }
  const known = new Set(names.value.map(({ name }) => plain(name)));
  const unnamed = states.value.find(({ name }) => !known.has(plain(name)));
  if (unnamed !== undefined) return torn(`libvirt says the state of "${unnamed.name}" and does not list it`);
  const isDouble = known.size !== names.value.length || stateOf.size !== states.value.length;
  return isDouble ? torn('libvirt lists two guests of one name') : { ok: true, value: guests };
}

/**
 * One guest was looked up and not found. virsh says the same when its connection broke, so it is gone only when a list that
 * succeeded does not name it.
 */
export function whetherGone(
  uuid: string,
  because: string,
  listed: Half<string>,
): { readonly ok: true; readonly value: null } | { readonly ok: false; readonly because: string } {
  if (!listed.ok) return { ok: false, because: listed.because };
  return listed.value.includes(uuid) ? { ok: false, because } : { ok: true, value: null };
}

/** Some versions of virsh pad names with spaces. */
function plain(name: string): string {
  return name.trimEnd();
}

/** virDomainState, and the reasons that decisions rest on (include/libvirt/libvirt-domain.h). */
const runningReasons = ['unknown', 'booted', 'migrated', 'restored', 'from snapshot', 'unpaused', 'migration canceled'];
const pausedReasons = [
  'unknown',
  'user',
  'migration',
  'save',
  'dump',
  'I/O error',
  'watchdog',
  'from snapshot',
  'shutting down',
  'snapshot',
  'crashed',
  'starting up',
  'post-copy',
  'post-copy failed',
];
const offReasons = [
  'unknown',
  'shutdown',
  'destroyed',
  'crashed',
  'migrated',
  'saved',
  'failed',
  'from snapshot',
  'daemon',
];
const crashedReasons = ['unknown', 'panicked'];

/**
 * Only "shut off" is off: in every other state its QEMU lives and has the disks open. The two that look like off and are not:
 * "crashed" is a guest that panicked and is kept by <on_crash>preserve</on_crash>; "no state" says nothing.
 */
export function guestOf(state: number, reason: number): Guest {
  switch (state) {
    case 1: // running
    case 2: // blocked
    case 4: // being shut down: it still runs
      return { power: 'running', reason: runningReasons[reason] ?? 'unknown' };
    case 3: // paused
      return { power: 'paused', reason: pausedReasons[reason] ?? 'unknown' };
    case 7: // suspended by its own power management: it wakes by itself
      return { power: 'paused', reason: 'suspended' };
    case 5: // shut off
      return { power: 'off', reason: offReasons[reason] ?? 'unknown' };
    case 6: // crashed
      return { power: 'crashed', reason: crashedReasons[reason] ?? 'unknown' };
    default: // no state, or one that libvirt has learned since
      return { power: 'unknown', reason: `state ${state}` };
  }
}

/** The same in libvirt's words, as `domstate` prints them. Null: no state that libvirt has. */
export function guestInWords(state: string, reason: string): Guest | null {
  switch (state) {
    case 'running':
    case 'idle': // blocked
    case 'in shutdown':
      return { power: 'running', reason };
    case 'paused':
      return { power: 'paused', reason };
    case 'pmsuspended':
      return { power: 'paused', reason: 'suspended' };
    case 'shut off':
      return { power: 'off', reason };
    case 'crashed':
      return { power: 'crashed', reason };
    case 'no state':
      return { power: 'unknown', reason: 'no state' };
    default:
      return null;
  }
}
