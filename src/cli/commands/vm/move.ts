/** nodectl vm migrate|unmigrate|move: another node, live or not, with or without the way back. */
import { randomUUID } from 'node:crypto';
import type { VmCommand } from '../../../core/vm-command.ts';
import type { Arguments, Command } from '../../command.ts';
import { flag, text, waitOptions, waits } from '../../command.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Connected } from '../../connect.ts';
import { requester, withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { durationOption } from '../../seconds.ts';
import { hindranceOf, placeOne } from '../../../core/placement.ts';
import { findVm, orderVm, readVms, surveyNodes } from '../../vms.ts';
import { findNode } from '../node.ts';
import { followVm, moveOutcome } from './follow.ts';

const name = { type: 'string', describe: 'name or UUID of the VM' } as const;
const target = { type: 'string', describe: 'the node to go to (default: the best one by its selector)' } as const;

const options = {
  ...waitOptions,
  timeout: { type: 'string', default: '900s', describe: 'how long to wait' },
} as const;

export const migrate: Command = {
  usage: 'migrate <name>',
  describe:
    'Move a running VM to another node: live, or, where that does not work, by shutdown and start. "unmigrate" brings it back.',
  positionals: { name },
  options: {
    target,
    'force-live': {
      type: 'boolean',
      default: false,
      describe: 'only live: if that does not work the VM goes on running where it is, and the command fails',
    },
    cancel: { type: 'boolean', default: false, describe: 'call off the move that is under way' },
    ...options,
  },
  examples: [
    ['nodectl vm migrate web1 --force-live', 'to the best node, without ever stopping it'],
    ['nodectl vm migrate web1 --cancel', 'it stays where it is, if it is not too late'],
  ],
  run: (args, output) =>
    withStore(args, async (connected) => {
      if (flag(args, 'cancel')) return cancel(connected, args, output);
      const moveId = randomUUID();
      const to = text(args, 'target') ?? null;
      await checkTarget(connected, text(args, 'name') ?? '', to);
      return carryOut(
        connected,
        args,
        output,
        { kind: 'migrate', target: to, forceLive: flag(args, 'force-live'), moveId },
        moveId,
      );
    }),
};

export const unmigrate: Command = {
  usage: 'unmigrate <name>',
  describe: 'Move a VM back to the node that it came from.',
  positionals: { name },
  options,
  run: (args, output) =>
    withStore(args, async (connected) => {
      const moveId = randomUUID();
      return carryOut(connected, args, output, { kind: 'unmigrate', moveId }, moveId);
    }),
};

export const move: Command = {
  usage: 'move <name>',
  describe:
    'Give a VM another node for good. A running one moves as by "migrate"; one that is off only gets another home.',
  positionals: { name },
  options: { target, ...options },
  run: (args, output) =>
    withStore(args, async (connected) => {
      const moveId = randomUUID();
      const wanted = text(args, 'name') ?? '';
      const { record } = await findVm(connected.store, wanted);
      const isOff = record.state === 'stop' || record.state === 'disable' || record.state === 'fail';
      const to = text(args, 'target') ?? (isOff ? await bestFor(connected, wanted) : null);
      await checkTarget(connected, wanted, to);
      return carryOut(connected, args, output, { kind: 'move', target: to, moveId }, moveId);
    }),
};

async function carryOut(
  connected: Connected,
  args: Arguments,
  output: Output,
  command: VmCommand,
  moveId: string,
): Promise<number> {
  const vm = await orderVm(connected.store, text(args, 'name') ?? '', command, requester());
  if (vm.move === null) {
    output.line(`${vm.name}: its node is ${vm.node} now`);
    return exitCodes.done;
  }
  if (waits(args)) return followVm(connected, vm.uuid, durationOption(args, 'timeout'), output, moveOutcome(moveId));
  output.line(`${vm.name}: ${vm.state} to ${vm.move.target ?? 'the best node'}`);
  return exitCodes.done;
}

async function cancel({ store }: Connected, args: Arguments, output: Output): Promise<number> {
  const vm = await orderVm(store, text(args, 'name') ?? '', { kind: 'cancel', by: requester() }, requester());
  output.line(
    `${vm.name}: its move to ${vm.move?.target ?? 'another node'} is called off; "vm show" tells what became of it`,
  );
  return exitCodes.done;
}

/** A wish that cannot come true is refused at once, with every reason; the nodes look again themselves. */
async function checkTarget({ store, config }: Connected, wanted: string, to: string | null): Promise<void> {
  const vm = await findVm(store, wanted);
  const view = await readCluster(store, config);
  const { vms } = await readVms(store);
  const nodes = await surveyNodes(store, view, vms);
  if (to === null) {
    const { state } = vm.record;
    if (state !== 'start') return;
    const placed = placeOne(vm.record, nodes, vm.record.node);
    if (placed.node === null)
      throw new CommandError(exitCodes.refused, `${vm.record.name}: no node takes it: ${placed.because}`);
    return;
  }
  findNode(view.nodes, to);
  if (to === vm.record.node) return; // told in its own words
  const node = nodes.find((candidate) => candidate.name === to);
  const hindrance = node === undefined ? null : hindranceOf(vm.record, node, vm.record.node);
  if (hindrance !== null)
    throw new CommandError(exitCodes.refused, `${vm.record.name} cannot go to ${to}: ${hindrance}`);
}

async function bestFor({ store, config }: Connected, wanted: string): Promise<string> {
  const vm = await findVm(store, wanted);
  const { vms } = await readVms(store);
  const placed = placeOne(vm.record, await surveyNodes(store, await readCluster(store, config), vms), vm.record.node);
  if (placed.node === null)
    throw new CommandError(exitCodes.refused, `${vm.record.name}: no node takes it: ${placed.because}`);
  return placed.node;
}
