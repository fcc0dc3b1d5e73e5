/** nodectl node list|show. */
import { nodeStates } from '../../core/node.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import type { NodeView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import { withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { age, clockTime } from '../output.ts';
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
          ['NODE', 'ROLE', 'STATE', 'KEEPALIVE', 'BMC', 'VERSION'],
          nodes.map((node) => [
            node.name,
            node.role ?? '?',
            paintState(node.state, output),
            age(node.keepaliveAgeMs),
            node.bmc ?? '-',
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
      if (flag(args, 'json')) output.json(node);
      else printNode(node, output);
      return exitCodes.done;
    }),
};

export const node: Command = {
  usage: 'node',
  describe: 'List the nodes, or show one.',
  commands: [list, show],
};

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
  row('role', `${node.role ?? 'unknown'}${node.coordinatorState === null ? '' : ` (${node.coordinatorState})`}`);
  row(
    'keepalive',
    `number ${node.sequence ?? '-'}, ${age(node.keepaliveAgeMs)} old, session ${node.session ? 'live' : 'gone'}`,
  );
  row('incarnation', node.incarnation ?? '-');
  row('version', node.version ?? '-');
  row('bmc', node.bmc ?? 'none configured: nobody can fence this node');
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
