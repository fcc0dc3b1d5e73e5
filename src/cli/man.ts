/** Man pages from the same sources as --help and the schema. Pure; scripts/package installs them, a test reads them with man. */
import { configKeys } from '../config/reference.ts';
import type { Command } from './command.ts';
import { commands } from './commands/all.ts';
import { exitCodeWords } from './exit-codes.ts';

/** File name -> roff text. */
export function manPages(version: string): Record<string, string> {
  return { 'nodectl.1': nodectlPage(version), 'noded.8': nodedPage(version), 'nodekeeper.yaml.5': configPage(version) };
}

/** Text as roff takes it: no line begins with a control character, backslashes and hyphens are themselves. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1')
    .replaceAll('`', '');
}
const bold = (text: string) => `\\fB${escaped(text)}\\fR`;
const head = (name: string, section: number, version: string, what: string) => [
  `.TH ${name.toUpperCase()} ${section} "" "nodekeeper ${version}" "nodekeeper"`,
  '.SH NAME',
  `${escaped(name)} \\- ${escaped(what)}`,
];
const section = (title: string, ...lines: string[]) => [`.SH ${title}`, ...lines];
const item = (label: string, text: string) => ['.TP', label, escaped(text)];

const exitCodes = section(
  'EXIT STATUS',
  ...Object.entries(exitCodeWords).flatMap(([code, words]) => item(bold(code), words)),
);
const files = section(
  'FILES',
  ...item(bold('/etc/nodekeeper/config.yaml'), 'the configuration; see nodekeeper.yaml(5)'),
  ...item(
    bold('/etc/nodekeeper/cluster.key'),
    'the cluster key, the same on all machines; who has it can fence them all',
  ),
  ...item(bold('/run/nodekeeper/noded.sock'), 'where noded answers nodectl on its machine'),
  ...item(bold('/var/lib/nodekeeper'), "noded's small files"),
);

function nodectlPage(version: string): string {
  return [
    ...head('nodectl', 1, version, 'the command line of nodekeeper'),
    ...section('SYNOPSIS', `${bold('nodectl')} \\fIcommand\\fR [\\fIoptions\\fR]`),
    ...section(
      'DESCRIPTION',
      'Shows and steers a cluster of nodekeeper. Every command takes',
      `${bold('--config')} \\fIFILE\\fR (default: NODEKEEPER_CONFIG, then /etc/nodekeeper/config.yaml) and ${bold('--help')}.`,
    ),
    ...section('COMMANDS', ...commands.flatMap((command) => describe(command, 'nodectl'))),
    ...exitCodes,
    ...files,
    ...section('SEE ALSO', 'noded(8), nodekeeper.yaml(5)'),
    '',
  ].join('\n');
}

function describe(command: Command, prefix: string): string[] {
  if (command.commands !== undefined) {
    const parent = `${prefix} ${command.usage.split(' ')[0] ?? ''}`;
    return command.commands.flatMap((sub) => describe(sub, parent));
  }
  const options = Object.entries(command.options ?? {}).flatMap(
    ([name, { describe: text, choices, default: fallback }]) => {
      const values = choices === undefined ? '' : ` (${choices.join(', ')})`;
      const byDefault =
        fallback === undefined || fallback === '' || fallback === false ? '' : `; default: ${String(fallback)}`;
      return item(bold(`--${name}`), `${text ?? ''}${values}${byDefault}`);
    },
  );
  const examples = (command.examples ?? []).flatMap(([line, words]) => item(bold(line), words));
  return [
    `.SS ${bold(`${prefix} ${command.usage.replace('$0 ', '')}`)}`,
    escaped(command.describe),
    ...options,
    ...(examples.length === 0 ? [] : ['.PP', 'Examples:', ...examples]),
  ];
}

function nodedPage(version: string): string {
  return [
    ...head('noded', 8, version, 'the agent of nodekeeper'),
    ...section('SYNOPSIS', `${bold('noded')} [${bold('--config')} \\fIFILE\\fR]`),
    ...section(
      'DESCRIPTION',
      'Runs on every machine of the cluster: publishes its keepalive to ZooKeeper, watches its peers, fences a dead one',
      'through its BMC, moves the primary role between coordinators, and keeps VMs. systemd starts it as noded.service.',
    ),
    ...section(
      'SIGNALS',
      ...item(
        bold('SIGTERM, SIGINT'),
        'stop in good order: the primary role is handed over first; a second one: at once',
      ),
      ...item(bold('SIGHUP'), 'read the configuration anew; what waits for a restart is named in the log'),
      ...item(bold('SIGQUIT'), 'write to the log what it holds true; it goes on'),
    ),
    ...section(
      'EXIT STATUS',
      ...item(bold('0'), 'stopped in good order'),
      ...item(bold('1'), 'this life ended; systemd starts the next one'),
      ...item(bold('2'), 'usage or configuration'),
      ...item(bold('4'), 'the name, or this machine, is taken by another noded'),
    ),
    ...files,
    ...section('SEE ALSO', 'nodectl(1), nodekeeper.yaml(5)'),
    '',
  ].join('\n');
}

function configPage(version: string): string {
  const keys = configKeys().flatMap(({ path, text, fallback, range }) =>
    item(bold(path), `${text} Default: ${fallback}.${range === '' ? '' : ` Values: ${range}.`}`),
  );
  return [
    ...head('nodekeeper.yaml', 5, version, 'the configuration of nodekeeper'),
    ...section(
      'DESCRIPTION',
      'One YAML file, /etc/nodekeeper/config.yaml unless --config or NODEKEEPER_CONFIG names another. It must not be',
      'readable by others. Durations are written as 400ms, 5s, 1m30s. Unknown keys are errors.',
      `${bold('nodectl config check')} checks a file and prints the worst case from failure to recovery.`,
    ),
    ...section('KEYS', ...keys),
    ...section('SEE ALSO', 'noded(8), nodectl(1)'),
    '',
  ].join('\n');
}
