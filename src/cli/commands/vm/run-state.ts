/** nodectl vm start|shutdown|stop|restart|disable. */
import type { VmCommand } from '../../../core/vm-command.ts';
import type { Command } from '../../command.ts';
import { text, waitOptions, waits } from '../../command.ts';
import { requester, withStore } from '../../connect.ts';
import { exitCodes } from '../../exit-codes.ts';
import { durationOption } from '../../seconds.ts';
import type { VmView } from '../../../records/vm-view.ts';
import { orderVm } from '../../vms.ts';
import { followVm } from './follow.ts';

type Kind = Extract<VmCommand, { readonly kind: 'start' | 'shutdown' | 'stop' | 'restart' | 'disable' }>['kind'];

function outcomeOf(kind: Kind, sinceWallMs: number) {
  return (vm: VmView): { code: number; because: string } | null => {
    if (vm.state === 'fail') return { code: exitCodes.failed, because: vm.because };
    if (kind === 'start' || kind === 'restart') {
      if (vm.state === 'stop' && vm.sinceWallMs >= sinceWallMs) return { code: exitCodes.failed, because: vm.because };
      return vm.state === 'start' && vm.health === 'ok'
        ? { code: exitCodes.done, because: `it runs on ${vm.node}` }
        : null;
    }
    if (vm.state === 'start') return { code: exitCodes.failed, because: `it was started again: ${vm.because}` };
    return vm.active ? null : { code: exitCodes.done, because: `it is off (${vm.state})` };
  };
}

function runState(kind: Kind, describe: string): Command {
  return {
    usage: `${kind} <name>`,
    describe,
    positionals: { name: { type: 'string', describe: 'name or UUID of the VM' } },
    options: { ...waitOptions, timeout: { type: 'string', default: '180s', describe: 'how long to wait' } },
    run: (args, output) =>
      withStore(args, async (connected) => {
        const since = Date.now();
        const vm = await orderVm(connected.store, text(args, 'name') ?? '', { kind }, requester());
        if (!waits(args)) {
          output.line(`${vm.name}: ${vm.state} on ${vm.node}`);
          return exitCodes.done;
        }
        return followVm(connected, vm.uuid, durationOption(args, 'timeout'), output, outcomeOf(kind, since));
      }),
  };
}

export const start = runState('start', 'Start a VM on its node. It is kept running there.');
export const shutdown = runState(
  'shutdown',
  'Ask the guest to shut down; after vms.shutdownTimeout it is switched off. It stays off.',
);
export const stop = runState('stop', 'Switch a VM off at once, as by its power cord. It stays off.');
export const restart = runState('restart', 'Shut a VM down and start it again.');
export const disable = runState('disable', 'Mark a VM that is off so that nothing starts it but "vm start".');
