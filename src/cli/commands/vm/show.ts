/** nodectl vm list|show|flush-locks. */
import { vmStates } from '../../../core/vm.ts';
import type { VmHealth } from '../../../core/vm.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import { viewVm } from '../../../records/vm-view.ts';
import { VmLock } from '../../../records/vm.ts';
import { auditEntry } from '../../audit.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { clockTime } from '../../output.ts';
import { findVm, readGuests, readVms } from '../../vms.ts';

export const list: Command = {
  usage: 'list',
  describe: 'List the VMs: what shall become of each, where it is, and how it is doing.',
  options: {
    node: { type: 'string', describe: 'only those of this node' },
    ...jsonOption,
  },
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const [{ vms, problems }, view] = await Promise.all([readVms(store), readCluster(store, config)]);
      const guests = await readGuests(store, view.nodes);
      const only = text(args, 'node');
      const shown = vms
        .map(({ record }) => viewVm(record, guests.get(record.node)))
        .filter((vm) => only === undefined || vm.node === only);
      if (flag(args, 'json')) output.json({ vms: shown, problems });
      else {
        output.table(
          ['VM', 'STATE', 'NODE', 'CAME FROM', 'HEALTH', 'MEMORY', 'VCPUS'],
          shown.map((vm) => [
            vm.name,
            vm.move === null ? vm.state : `${vm.state} to ${vm.move.target ?? '?'}`,
            vm.node,
            vm.cameFrom ?? '-',
            paintHealth(vm.health, output),
            `${vm.memoryMiB} MiB`,
            String(vm.vcpus),
          ]),
        );
        for (const vm of shown.filter(({ health }) => health === 'trouble' || health === 'unknown'))
          output.line(output.paint('yellow', `! ${vm.name}: ${vm.healthBecause}: ${vm.because}`));
        for (const problem of problems) output.line(output.paint('yellow', `! ${problem}`));
      }
      return exitCodes.done;
    }),
};

export const show: Command = {
  usage: 'show <name>',
  describe: 'Show everything about one VM.',
  positionals: { name: { type: 'string', describe: 'name or UUID of the VM' } },
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { record } = await findVm(store, text(args, 'name') ?? '');
      const { nodes } = await readCluster(store, config);
      const vm = viewVm(record, (await readGuests(store, nodes)).get(record.node));
      const lock = await store.read(tree.vmLock(vm.uuid));
      const holder = lock.ok ? parseRecord(VmLock, lock.text) : null;
      const lockedBy = holder?.ok === true ? holder.record.node : null;
      if (flag(args, 'json')) {
        output.json({ ...vm, lockedBy });
        return exitCodes.done;
      }
      const row = (label: string, value: string) => output.line(`${label.padEnd(14)} ${value}`);
      row('VM', vm.name);
      row('UUID', vm.uuid);
      row('state', `${vm.state}: ${vmStates[vm.state]}`);
      row('', `${vm.because} (${vm.by}, ${clockTime(vm.sinceWallMs)})`);
      row('health', `${paintHealth(vm.health, output)}: ${vm.healthBecause}`);
      row(
        'node',
        `${vm.node}${vm.active ? '' : ' (no guest of it runs there)'}${lockedBy === null ? '' : `, lock held by ${lockedBy}`}`,
      );
      row('came from', vm.cameFrom ?? '-');
      if (vm.move !== null)
        row(
          'move',
          `to ${vm.move.target ?? 'the best node'}, ${vm.move.phase}${vm.move.calledOff === null ? '' : `; ${vm.move.calledOff}`}`,
        );
      if (vm.lastMove !== null) row('last move', `${vm.lastMove.ok ? 'done' : 'failed'}: ${vm.lastMove.because}`);
      row('takes', `${vm.memoryMiB} MiB, ${vm.vcpus} vCPUs`);
      row('selector', `${vm.selector}${vm.limit.length === 0 ? '' : `, only on ${vm.limit.join(', ')}`}`);
      if (vm.antiAffinity.length > 0) row('kept apart', `from VMs of ${vm.antiAffinity.join(', ')} (anti-affinity)`);
      row('migrates', vm.migrationMethod === 'live' ? 'live' : 'by shutdown and start');
      row('autostart', vm.autostart ? 'yes' : 'no');
      return exitCodes.done;
    }),
};

export const flushLocks: Command = {
  usage: 'flush-locks <name>',
  describe:
    'Take away the lock of a VM whose holder is certainly off: fenced, or stopped in good order with nothing running.',
  positionals: { name: { type: 'string', describe: 'name or UUID of the VM' } },
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { record } = await findVm(store, text(args, 'name') ?? '');
      const lock = await store.read(tree.vmLock(record.uuid));
      if (!lock.ok) {
        output.line(`${record.name}: no lock is held`);
        return exitCodes.done;
      }
      const holder = parseRecord(VmLock, lock.text);
      const { nodes } = await readCluster(store, config);
      const node = holder.ok ? nodes.find(({ name }) => name === holder.record.node) : undefined;
      const isOff = node === undefined || node.state === 'fenced' || (node.state === 'stop' && !record.active);
      if (!isOff)
        throw new CommandError(
          exitCodes.refused,
          `${record.name}: its lock is held by ${node.name}, which is in "${node.state}": it is not certain that no guest runs there`,
        );
      const removed = await store.commit([
        { kind: 'remove', path: tree.vmLock(record.uuid), version: lock.version },
        auditEntry(`${record.name}: the lock of ${holder.ok ? holder.record.node : '?'} is taken away`),
      ]);
      if (!removed.ok) throw new CommandError(exitCodes.failed, `the lock is not removed: ${removed.because}`);
      output.line(
        `${record.name}: the lock of ${holder.ok ? holder.record.node : 'nobody that can be read'} is removed`,
      );
      return exitCodes.done;
    }),
};

function paintHealth(health: VmHealth, output: Output): string {
  return output.paint({ ok: 'green', off: 'dim', trouble: 'red', unknown: 'yellow' }[health] as 'green', health);
}
