/** The documents that are generated from the code, so that they cannot age. Pure. */
import { configReference } from '../config/reference.ts';
import { fenceStates, fenceTable } from '../core/fencing.ts';
import { confirmRefusals, guards } from '../core/guards.ts';
import type { Table } from '../core/machine.ts';
import { daemonStates, nodeStates } from '../core/node.ts';
import { primaryActions, primaryEvents, primaryStates, primaryTable } from '../core/primary.ts';
import { transferStates, transferTable } from '../core/transfer.ts';
import { vmStates, vmTable } from '../core/vm.ts';
import { drainStates } from '../records/vm.ts';
import { bmcFaults, deviceFaults, levelProofs, nodeFaults } from '../core/verification.ts';
import { eventKinds } from '../records/history.ts';
import { metrics } from '../records/metrics.ts';
import type { Command } from './command.ts';
import { commands } from './commands/all.ts';
import { exitCodeWords } from './exit-codes.ts';

/** File name -> text. */
export function generatedDocs(): Record<string, string> {
  return {
    'configuration.md': configReference(),
    'states.md': statesReference(),
    'cli.md': cliReference(),
    'metrics.md': metricsReference(),
  };
}

const generated = (from: string) => `Generated from \`${from}\` by \`scripts/docs\`; a test compares it.`;

function statesReference(): string {
  return [
    '# States',
    '',
    generated('src/core'),
    '',
    ...sentences('What a noded says of itself (keepalive)', daemonStates),
    ...sentences('What a coordinator says of the primary role (keepalive)', primaryStates),
    ...sentences('What moves the role', primaryEvents),
    ...sentences('What is done about it', primaryActions),
    ...diagram('The primary role, as a diagram', primaryTable),
    ...sentences('A transfer of the role', transferStates),
    ...diagram('A transfer, as a diagram', transferTable),
    ...sentences('What `nodectl status` shows of a node', nodeStates),
    ...sentences('A fence', fenceStates),
    ...diagram('A fence, as a diagram', fenceTable),
    ...sentences('A VM', vmStates),
    ...diagram('A VM, as a diagram', vmTable),
    ...sentences('A node that is emptied or filled', drainStates),
    '## Guards',
    '',
    'All must pass before a node is shot; each refusal is recorded with its sentence.',
    '',
    guards.map((guard) => `\`${guard.name}\``).join(', '),
    '',
    ...sentences('Why a confirmation (`nodectl fence confirm`) is refused', confirmRefusals),
    ...sentences('What can be wrong with a BMC', bmcFaults),
    ...sentences('Why a fence device is distrusted', deviceFaults),
    ...sentences('What else a verification says', nodeFaults),
    ...sentences('What was verified of a level', levelProofs),
    '## Kinds of events',
    '',
    eventKinds.map((kind) => `\`${kind}\``).join(', '),
    '',
  ].join('\n');
}

function metricsReference(): string {
  const rows = Object.entries(metrics).map(
    ([name, { kind, help, labels }]) =>
      `| \`${name}\` | ${kind} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return [
    '# Metrics',
    '',
    generated('src/records/metrics.ts'),
    '',
    '`GET /metrics` on the socket of noded, and on its web listener with a token (`nodectl token read`). Beside these stand those',
    'of the process itself (`noded_process_...`, `noded_nodejs_...`).',
    '',
    '| metric | kind | labels | what it says |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function sentences(title: string, states: Readonly<Record<string, string>>): string[] {
  const rows = Object.entries(states).map(([name, sentence]) => `| \`${name}\` | ${sentence} |`);
  return [`## ${title}`, '', '| word | meaning |', '| --- | --- |', ...rows, ''];
}

function diagram<S extends string, E extends string, A extends string>(title: string, table: Table<S, E, A>): string[] {
  const lines: string[] = [];
  for (const [state, row] of Object.entries(table) as [S, Table<S, E, A>[S]][]) {
    for (const [event, cell] of Object.entries(row) as [E, Table<S, E, A>[S][E]][]) {
      if ('to' in cell) lines.push(`  ${state} --> ${cell.to}: ${event}`);
    }
  }
  return [`## ${title}`, '', '```mermaid', 'stateDiagram-v2', ...lines, '```', ''];
}

function cliReference(): string {
  return [
    '# nodectl',
    '',
    generated('src/cli/commands'),
    '',
    'All commands take `--config FILE` (default: `NODEKEEPER_CONFIG`, then `/etc/nodekeeper/config.yaml`).',
    '',
    `Exit codes: ${Object.entries(exitCodeWords)
      .map(([code, words]) => `${code} ${words}`)
      .join(' · ')}.`,
    '',
    ...commands.flatMap((command) => describe(command, 'nodectl')),
  ].join('\n');
}

function describe(command: Command, prefix: string): string[] {
  const name = `${prefix} ${command.usage.replace('$0 ', '')}`;
  if (command.commands !== undefined) {
    const parent = `${prefix} ${command.usage.split(' ')[0] ?? ''}`;
    return command.commands.flatMap((sub) => describe(sub, parent));
  }
  const options = Object.entries(command.options ?? {}).map(
    ([option, { describe: text, default: fallback, choices }]) => {
      const values = choices === undefined ? '' : ` (${choices.join(', ')})`;
      const byDefault =
        fallback === undefined || fallback === '' || fallback === false ? '' : `; default: ${String(fallback)}`;
      return `| \`--${option}\` | ${text ?? ''}${values}${byDefault} |`;
    },
  );
  const examples = (command.examples ?? []).map(([line, words]) => `- \`${line}\`: ${words}`);
  return [
    `## ${name}`,
    '',
    command.describe,
    '',
    ...(options.length === 0 ? [] : ['| option | meaning |', '| --- | --- |', ...options, '']),
    ...(examples.length === 0 ? [] : [...examples, '']),
  ];
}
