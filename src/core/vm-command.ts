/**
 * What an operator's command does to a VM's record, or why it is refused: one place for nodectl, the API and the simulator.
 * A VM never migrates to itself, and what is refused is refused before anything is touched.
 */
import { step } from './machine.ts';
import type { Claim } from './placement.ts';
import { keptApart } from './placement.ts';
import type { MovePhase, VmEvent, VmState } from './vm.ts';
import { vmTable } from './vm.ts';

export type VmCommand =
  | { readonly kind: 'start' | 'shutdown' | 'stop' | 'restart' | 'disable' }
  | { readonly kind: 'migrate'; readonly target: string | null; readonly forceLive: boolean; readonly moveId: string }
  | { readonly kind: 'unmigrate'; readonly moveId: string }
  /** As migrate, but nothing is remembered; what does not run only gets another home. */
  | { readonly kind: 'move'; readonly target: string | null; readonly moveId: string }
  | { readonly kind: 'cancel'; readonly by: string };

/** What of a record the commands rest on. */
export interface VmStanding {
  readonly name: string;
  readonly state: VmState;
  readonly node: string;
  readonly active: boolean;
  readonly cameFrom: string | null;
  readonly limit: readonly string[];
  readonly antiAffinity: readonly string[];
  readonly migrationMethod: 'live' | 'shutdown';
  readonly move: VmMoveStanding | null;
}

export interface VmMoveStanding {
  readonly id: string;
  readonly target: string | null;
  readonly phase: MovePhase;
  readonly remembers: boolean;
  readonly address: string | null;
  readonly targetIncarnation: string | null;
  readonly targetFence: string | null;
  readonly calledOff: string | null;
}

export type VmChange =
  | {
      readonly ok: true;
      readonly state: VmState;
      readonly node: string;
      readonly move: VmMoveStanding | null;
      readonly stranded: boolean;
      readonly because: string;
    }
  | { readonly ok: false; readonly because: string };

const no = (because: string) => ({ ok: false, because }) as const;

/** `claims`: of all VMs, for those that are kept apart from it. */
export function commandVm(vm: VmStanding, command: VmCommand, by: string, claims: readonly Claim[]): VmChange {
  switch (command.kind) {
    case 'migrate': {
      if (command.forceLive && vm.migrationMethod === 'shutdown')
        return no('its migration method is shutdown: it cannot be forced to move live');
      const event = command.forceLive ? 'migrateLive' : 'migrate';
      return moving(vm, event, command, true, by, claims);
    }
    case 'unmigrate':
      if (vm.cameFrom === null) return no('it was not migrated: there is no node to go back to');
      return moving(vm, 'unmigrate', { target: vm.cameFrom, moveId: command.moveId }, false, by, claims);
    case 'move':
      if (vm.state === 'stop' || vm.state === 'disable' || vm.state === 'fail')
        return rehome(vm, command.target, by, claims);
      return moving(vm, 'migrate', command, false, by, claims);
    case 'cancel':
      if (vm.move === null) return no('it is not moving');
      return {
        ...same(vm),
        move: { ...vm.move, calledOff: `called off by ${command.by}` },
        because: `called off by ${by}`,
      };
    case 'start': {
      const changed = byTable(vm, 'start', `asked for by ${by}`);
      const apart = changed.ok ? keptApart(vm, vm.node, claims) : null;
      if (apart === null) return changed;
      return no(`it is not started on ${vm.node}: ${apart}; nodectl vm move gives it another node`);
    }
    case 'shutdown':
    case 'stop':
    case 'restart':
    case 'disable':
      return byTable(vm, command.kind, `asked for by ${by}`);
  }
}

/** The command in words, for the record. */
export function commandWords(command: VmCommand): string {
  switch (command.kind) {
    case 'migrate':
      return `migrate to ${command.target ?? 'the best node'}${command.forceLive ? ', live or not at all' : ''}`;
    case 'move':
      return `move to ${command.target ?? 'the best node'}`;
    case 'cancel':
      return 'call its move off';
    case 'unmigrate':
    case 'start':
    case 'shutdown':
    case 'stop':
    case 'restart':
    case 'disable':
      return command.kind;
  }
}

function same(vm: VmStanding): Extract<VmChange, { ok: true }> {
  return { ok: true, state: vm.state, node: vm.node, move: vm.move, stranded: false, because: '' };
}

function byTable(vm: VmStanding, event: VmEvent, because: string): VmChange {
  const moved = step(vmTable, vm.state, event);
  return moved.kind === 'ignored' ? no(moved.because) : { ...same(vm), state: moved.to, because };
}

/** Where it shall go, and why it may not. */
function wrongTarget(vm: VmStanding, target: string | null, claims: readonly Claim[]): string | null {
  if (target === null) return null;
  if (target === vm.node) return `it is on ${target} already: a VM does not migrate to itself`;
  if (vm.limit.length > 0 && !vm.limit.includes(target)) return `it may run on ${vm.limit.join(', ')} only`;
  const apart = keptApart(vm, target, claims);
  return apart === null ? null : `it does not go to ${target}: ${apart}`;
}

function moving(
  vm: VmStanding,
  event: 'migrate' | 'migrateLive' | 'unmigrate',
  { target, moveId }: { readonly target: string | null; readonly moveId: string },
  remembers: boolean,
  by: string,
  claims: readonly Claim[],
): VmChange {
  const changed = byTable(vm, event, `asked for by ${by}`);
  if (!changed.ok) return changed;
  const wrong = wrongTarget(vm, target, claims);
  if (wrong !== null) return no(wrong);
  if (target === null && vm.limit.length === 1 && vm.limit[0] === vm.node)
    return no(`it may run on ${vm.node} only: there is nowhere to go`);
  const move = {
    id: moveId,
    target,
    phase: 'asked',
    remembers,
    address: null,
    targetIncarnation: null,
    targetFence: null,
    calledOff: null,
  } as const;
  return { ...changed, move };
}

function rehome(vm: VmStanding, target: string | null, by: string, claims: readonly Claim[]): VmChange {
  if (target === null) return no('it does not run: say where it shall be (--target)');
  if (vm.active) return no(`a guest of it may still run on ${vm.node}; wait until it is recorded as off`);
  const wrong = wrongTarget(vm, target, claims);
  return wrong === null ? { ...same(vm), node: target, because: `given to ${target} by ${by}` } : no(wrong);
}
