/** nodectl node list|show. */
import { nodeStates } from '../../core/node.ts';
import type { Store } from '../../environment/store.ts';
import { tree } from '../../records/tree.ts';
import type { Drain, VmRecord } from '../../records/vm.ts';
import { drainStates } from '../../records/vm.ts';
import { auditEntry } from '../audit.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import type { NodeView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import { withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { confirmName } from '../confirm.ts';
import { readDrain, readVms } from '../vms.ts';
import { flush, ready } from './drain.ts';
import type { Output } from '../output.ts';
import { age, clockTime } from '../output.ts';
import { roleInWords } from '../role-words.ts';
import { paintState } from './status.ts';

const list: Command = {
  usage: 'list',
  describe: 'List the nodes.',
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes } = await readCluster(store, config);
      if (flag(args, 'json')) output.json(nodes);
      else {
        output.table(
          ['NODE', 'ROLE', 'STATE', 'KEEPALIVE', 'FENCED BY', 'VERSION'],
          nodes.map((node) => [
            node.name,
            node.role ?? '?',
            paintState(node.state, output),
            age(node.keepaliveAgeMs),
            node.levels.join(', ') || '-',
            node.version ?? '?',
          ]),
        );
      }
      return exitCodes.done;
    }),
};

const show: Command = {
  usage: 'show <name>',
  describe: 'Show everything about one node.',
  positionals: { name: { type: 'string', describe: 'the node' } },
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes } = await readCluster(store, config);
      const node = findNode(nodes, text(args, 'name') ?? '');
      const [{ drain }, { vms }] = await Promise.all([readDrain(store, node.name), readVms(store)]);
      const homed = vms.map(({ record }) => record).filter((vm) => vm.node === node.name);
      if (flag(args, 'json')) output.json({ ...node, drain, vms: homed.map(({ name }) => name) });
      else {
        printNode(node, output);
        printVms(drain, homed, output);
      }
      return exitCodes.done;
    }),
};

const remove: Command = {
  usage: 'remove <name>',
  describe:
    'Forget a node that is gone for good: stopped in good order, or fenced and off. Its noded would register it again.',
  positionals: { name: { type: 'string', describe: 'the node' } },
  options: { yes: { type: 'boolean', default: false, describe: 'do not ask' } },
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes, primary } = await readCluster(store, config);
      const found = findNode(nodes, text(args, 'name') ?? '');
      const gone =
        found.state === 'stop' || found.state === 'fenced' || (found.state === 'unknown' && found.throws === 0);
      if (!gone || found.session) {
        const why = found.session ? 'its noded holds a live session' : `its state is "${found.state}"`;
        throw new CommandError(
          exitCodes.refused,
          `${found.name} is not forgotten: ${why}; stop its noded, or fence it with --action off`,
        );
      }
      if (primary.holder === found.name)
        throw new CommandError(
          exitCodes.refused,
          `${found.name} is not forgotten: it holds the primary role ("${primary.state}"), and nobody may take over before it is surely off; nodectl fence ${found.name} --action off`,
        );
      const { vms } = await readVms(store);
      const homed = vms.filter(({ record }) => record.node === found.name).map(({ record }) => record.name);
      if (homed.length > 0)
        throw new CommandError(
          exitCodes.refused,
          `${found.name} is not forgotten: it is the node of ${homed.join(', ')}; nodectl vm move gives them another one`,
        );
      const moving = vms.filter(({ record }) => record.move?.target === found.name).map(({ record }) => record.name);
      if (moving.length > 0)
        throw new CommandError(
          exitCodes.refused,
          `${found.name} is not forgotten: ${moving.join(', ')} moves there, and its own record may be the only proof that it has not arrived; wait until that has ended`,
        );
      await confirmName(
        args,
        found.name,
        `This makes the cluster forget ${found.name}: nobody will observe or fence it.`,
      );
      await forget(store, found.name);
      output.line(`${found.name} is forgotten`);
      return exitCodes.done;
    }),
};

export const node: Command = {
  usage: 'node',
  describe: 'List the nodes, show one, empty one of its VMs and fill it again, forget one that is gone for good.',
  commands: [list, show, flush, ready, remove],
};

/** The records of its row of the matrix; they go before the row. */
async function verifiedBy(store: Store, name: string): Promise<string[]> {
  const listed = await store.list(tree.verification(name));
  return listed.ok ? listed.names.map((target) => tree.verified(name, target)) : [];
}

/** Removes all records of a node in one transaction, each by the version that was read: whoever writes meanwhile wins. */
async function forget(store: Store, name: string): Promise<void> {
  const paths = [
    tree.keepalive(name),
    tree.left(name),
    ...(await verifiedBy(store, name)),
    tree.verification(name),
    tree.devices(name),
    tree.guests(name),
    tree.drain(name),
    tree.node(name),
    tree.fenceLocks(name),
    tree.fence(name),
    tree.nodeMaintenance(name),
  ];
  const read = await Promise.all(paths.map(async (path) => ({ path, value: await store.read(path) })));
  const removals = read.flatMap(({ path, value }) =>
    value.ok ? [{ kind: 'remove' as const, path, version: value.version }] : [],
  );
  const done = await store.commit([...removals, auditEntry(`${name} is forgotten`, name)]);
  if (!done.ok) throw new CommandError(exitCodes.failed, `${name} is not forgotten: ${done.because}`);
}

/** The named node, or an error that names the known ones. */
export function findNode(nodes: readonly NodeView[], name: string): NodeView {
  const found = nodes.find((candidate) => candidate.name === name);
  if (found !== undefined) return found;
  const known = nodes.map((candidate) => candidate.name).join(', ');
  throw new CommandError(exitCodes.usage, `there is no node "${name}"; known: ${known === '' ? 'none yet' : known}`);
}

function printNode(node: NodeView, output: Output): void {
  const row = (label: string, value: string) => output.line(`${label.padEnd(14)} ${value}`);
  row('node', node.name);
  row('state', `${paintState(node.state, output)}: ${nodeStates[node.state]}`);
  row('role', `${node.role ?? 'unknown'}${roleInWords(node) === '-' ? '' : ` (${roleInWords(node)})`}`);
  row(
    'keepalive',
    `number ${node.sequence ?? '-'}, ${age(node.keepaliveAgeMs)} old, session ${node.session ? 'live' : 'gone'}`,
  );
  row('incarnation', node.incarnation ?? '-');
  row('version', node.version ?? '-');
  row('fenced by', node.levels.join(', then ') || 'no device is configured: nobody can fence this node');
  for (const device of node.devices) row(`  ${device.name}`, device.where);
  row('fencers', `${node.fenceability}: ${node.fencers.join(', ') || 'nobody'}`);
  row('maintenance', node.maintenance ?? 'no');
  for (const [name, report] of Object.entries(node.subsystems)) {
    const late = report.late === null ? '' : `; ${report.late}`;
    row(`  ${name}`, `${report.health}: ${report.summary} (${age(report.ageMs)} old${late})`);
  }
  for (const [by, view] of Object.entries(node.views)) row(`seen by ${by}`, `${view.verdict}: ${view.because}`);
  const { fence } = node;
  if (fence !== null && fence.state !== 'none') {
    row('last fence', `${fence.state} by ${fence.fencer}, ${clockTime(fence.verdictWallMs)}: ${fence.reason}`);
    for (const step of fence.steps)
      output.line(`    ${clockTime(step.wallMs)}  ${step.by}: ${step.what}: ${step.because}`);
  }
  for (const problem of node.problems) output.line(output.paint('yellow', `! ${problem}`));
}

function printVms(drain: Drain, vms: readonly VmRecord[], output: Output): void {
  if (drain.state !== 'ready')
    output.line(`${'drain'.padEnd(14)} ${drain.state}: ${drain.doing === '' ? drainStates[drain.state] : drain.doing}`);
  if (vms.length === 0) return;
  const running = vms.filter((vm) => vm.active).map(({ name }) => name);
  const shown = running.length > 20 ? `${running.slice(0, 20).join(', ')}, ...` : running.join(', ');
  output.line(`${'VMs'.padEnd(14)} ${running.length} of ${vms.length} run${shown === '' ? '' : `: ${shown}`}`);
}
