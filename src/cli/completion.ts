/**
 * What a shell offers after Tab: commands and options from the commands themselves, and the names of nodes and VMs from the
 * store, which has a moment for that and no more. (yargs prints the scripts; its own answers do not get along with `strict`.)
 */
import { tree } from '../records/tree.ts';
import type { Command } from './command.ts';
import { commands } from './commands/all.ts';
import type { Connected } from './connect.ts';
import { withStore } from './connect.ts';
import { readVms } from './vms.ts';

const withinMs = 800;

/** fish asks the same question as bash and zsh; yargs has no script for it. */
export const fishScript = `# nodectl completion fish > ~/.config/fish/completions/nodectl.fish
function __nodectl_complete
    set -l words (commandline -opc) (commandline -ct)
    nodectl --get-yargs-completions $words 2>/dev/null
end
complete -c nodectl -f -a '(__nodectl_complete)'
`;

const nodeCommands = [
  'node show',
  'node flush',
  'node ready',
  'node remove',
  'fence-check',
  'fence',
  'explain',
  'drill',
];
const fenceCommands = ['fence confirm', 'fence history', 'fence simulate'];
const vmVerbs = 'show undefine modify start shutdown stop restart disable migrate unmigrate move flush-locks'.split(
  ' ',
);

/** `words`: the command line so far, the program first, the word under the cursor last. */
export async function complete(words: readonly string[]): Promise<string[]> {
  const before = words.slice(1, -1);
  const { path, command, below } = found(before.filter((word) => !word.startsWith('-')));
  const last = before.at(-1) ?? '';
  const option = command?.options?.[last.replace(/^--/, '')];
  if (last.startsWith('--') && option?.choices !== undefined) return option.choices.map(String);
  const subcommands = below.map(nameOf).filter((name) => name !== '$0');
  const options = Object.keys(command?.options ?? {}).map((name) => `--${name}`);
  const choices = Object.values(command?.positionals ?? {}).flatMap((one) => (one.choices ?? []).map(String));
  return [
    ...subcommands,
    ...choices,
    ...(await knownNames(path)),
    ...options,
    ...(options.length > 0 ? ['--help'] : []),
  ];
}

const nameOf = (command: Command) => command.usage.split(' ')[0] ?? '';

/** The command that these words name, and what may stand below it. */
function found(words: readonly string[]): { path: string; command: Command | null; below: readonly Command[] } {
  let below: readonly Command[] = commands;
  let command: Command | null = null;
  const path: string[] = [];
  for (const word of words) {
    const next = below.find((one) => nameOf(one) === word);
    if (next === undefined) break;
    path.push(word);
    below = next.commands ?? [];
    command = next.commands === undefined ? next : (below.find((one) => nameOf(one) === '$0') ?? null);
  }
  return { path: path.join(' '), command, below };
}

/** Empty when the store does not answer at once: a Tab is no reason to wait. */
async function knownNames(path: string): Promise<string[]> {
  const isVm = vmVerbs.some((verb) => path === `vm ${verb}`);
  if (!isVm && !nodeCommands.includes(path) && !fenceCommands.includes(path)) return [];
  try {
    const read = async ({ store }: Connected) => {
      if (isVm) return (await readVms(store)).vms.map(({ record }) => record.name);
      const listed = await store.list(tree.nodes);
      return listed.ok ? listed.names : [];
    };
    return await withStore({}, read, withinMs);
  } catch {
    return []; // nothing to offer
  }
}
