/**
 * `vms/<uuid>`: a VM: what shall become of it, its one home, and whether a guest of it may run there (core/vm.ts). Its XML
 * stands beside it (`definition`), so that a list of a thousand does not read it.
 */
import * as z from 'zod';
import { selectors } from '../core/placement.ts';
import type { Selector } from '../core/placement.ts';
import { guestPowers, vmStates } from '../core/vm.ts';
import type { VmState } from '../core/vm.ts';
import { nodeNamePattern } from '../core/node.ts';

const nodeName = z.string().regex(nodeNamePattern);
export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** As libvirt takes names: no slash, no line feed, not blank. Every command names a VM by its UUID. */
export const vmNamePattern = /^(?=.*\S)[^/\p{Cc}]{1,200}$/u;

export const antiAffinityPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

export const VmMove = z.object({
  /** Follows one move through records, history and logs. */
  id: z.string().max(64),
  /** Null: its node picks the best one. */
  target: nodeName.nullable(),
  phase: z.enum(['asked', 'prepared', 'moving']),
  /** Whether `unmigrate` shall bring it back to where it runs now. */
  remembers: z.boolean(),
  /** Where the target takes it in: host of its libvirt and of the memory's stream, as the target said. */
  address: z.string().max(255).nullable(),
  /** The life of the target that got ready. */
  targetIncarnation: z.string().max(120).nullable(),
  /** The id of the newest fence of the target when it got ready, empty if it never was fenced; null: not ready, or by an older noded. */
  targetFence: z.string().max(64).nullable().default(null),
  /** Why it was called off, by a person or by the target; null: it was not. */
  calledOff: z.string().max(500).nullable(),
});
export type VmMove = z.output<typeof VmMove>;

export const VmRecord = z.object({
  schema: z.literal(1),
  uuid: z.string().regex(uuidPattern),
  name: z.string().regex(vmNamePattern),
  state: z.enum(Object.keys(vmStates) as [VmState, ...VmState[]]),
  /** Why it is in that state, in one sentence. */
  because: z.string().max(1000),
  by: z.string().max(200),
  /** For people. */
  sinceWallMs: z.number(),
  /** Its one home. */
  node: nodeName,
  /** Whether a guest of it may run there. Written before a start, taken back only when it was seen off. */
  active: z.boolean(),
  /** Where `unmigrate` brings it; null: it was not migrated. */
  cameFrom: nodeName.nullable(),
  move: VmMove.nullable(),
  /** What became of the last move. */
  lastMove: z.object({ id: z.string().max(64), ok: z.boolean(), because: z.string().max(1000) }).nullable(),
  memoryMiB: z.int().positive(),
  vcpus: z.int().positive(),
  selector: z.enum(Object.keys(selectors) as [Selector, ...Selector[]]),
  /** Nodes that it may run on; empty: any. */
  limit: z.array(nodeName).max(100),
  /** Groups of VMs that are kept apart: two of one group are never put on the same node. */
  antiAffinity: z.array(z.string().regex(antiAffinityPattern)).max(20).default([]),
  /** Whether it is started again by itself when it was stranded and a node is there for it again. */
  autostart: z.boolean(),
  /** Set when it was stopped only because no node was left for it. */
  stranded: z.boolean(),
  migrationMethod: z.enum(['live', 'shutdown']),
  /** Of a definition that is being checked: why it is not taken as long as that holds; null: nothing is in its way. */
  notTaken: z.string().max(500).nullable().default(null),
  /** Of the newest write: a write whose answer was lost is found again by it. */
  writeId: z.string().max(64),
});
export type VmRecord = z.output<typeof VmRecord>;

/** A VM that has just been defined: its node checks it first. */
export function newVm(
  facts: Pick<
    VmRecord,
    | 'uuid'
    | 'name'
    | 'node'
    | 'memoryMiB'
    | 'vcpus'
    | 'selector'
    | 'limit'
    | 'antiAffinity'
    | 'autostart'
    | 'migrationMethod'
    | 'by'
  > & { readonly nowWallMs: number; readonly writeId: string },
): VmRecord {
  const { nowWallMs, ...given } = facts;
  return {
    schema: 1,
    ...given,
    state: 'provision',
    because: `defined by ${facts.by}`,
    sinceWallMs: nowWallMs,
    active: false,
    cameFrom: null,
    move: null,
    lastMove: null,
    stranded: false,
    notTaken: null,
  };
}

/** `vms/<uuid>/definition`. */
export const VmDefinition = z.object({ schema: z.literal(1), xml: z.string().max(200_000) });
export type VmDefinition = z.output<typeof VmDefinition>;

/** `vms/<uuid>/lock`: ephemeral, of the noded on whose node the guest runs. */
export const VmLock = z.object({ schema: z.literal(1), node: nodeName, incarnation: z.string().max(120) });
export type VmLock = z.output<typeof VmLock>;

/** `vms/<uuid>/progress`: of the move under way. */
export const VmProgress = z.object({
  schema: z.literal(1),
  moveId: z.string().max(64),
  what: z.string().max(300),
  totalBytes: z.number().nullable(),
  leftBytes: z.number().nullable(),
});
export type VmProgress = z.output<typeof VmProgress>;

/** A node may run more of them; the first by UUID are told. */
export const straysMax = 1000;

/** `nodes/<name>/guests`: the guests that a node's libvirt shows. Written when it changes. */
export const GuestList = z.object({
  schema: z.literal(1),
  incarnation: z.string().max(120),
  /** Grows with each list that this incarnation writes. 0: it is of an older version. */
  number: z.int().min(0).default(0),
  /** Why this says nothing (libvirt does not answer, a guest is on its way); null: this is what libvirt says. */
  unknownBecause: z.string().max(300).nullable(),
  /** Of VMs that the cluster knows. */
  guests: z.record(z.string(), z.object({ power: z.enum(guestPowers), reason: z.string().max(40) })),
  /** UUIDs of guests that are not off and belong to no VM that the cluster knows. */
  strays: z.array(z.string().max(64)).max(straysMax).default([]),
});
export type GuestList = z.output<typeof GuestList>;

export const drainStates = {
  ready: 'it takes VMs',
  flush: 'its VMs are being moved away, one after another; it takes none',
  flushed: 'its VMs were moved away; it takes none',
  unflush: 'it takes VMs, and those that left it are coming back, one after another',
} as const;
export type DrainState = keyof typeof drainStates;

/** `nodes/<name>/drain`. */
export const Drain = z.object({
  schema: z.literal(1),
  state: z.enum(Object.keys(drainStates) as [DrainState, ...DrainState[]]),
  by: z.string().max(200),
  /** What it is at right now, or why it goes no further. */
  doing: z.string().max(1000),
  total: z.int().min(0),
  done: z.int().min(0),
  /** VMs that stay, each with the reason. */
  stuck: z.record(z.string(), z.string().max(500)),
});
export type Drain = z.output<typeof Drain>;

export const readyDrain: Drain = { schema: 1, state: 'ready', by: '', doing: '', total: 0, done: 0, stuck: {} };
