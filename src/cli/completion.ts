/**
 * What a shell offers after Tab: commands and options by yargs, and the names of nodes and VMs from the store, which has a
 * moment for that and no more.
 */
import { tree } from '../records/tree.ts';
import type { Connected } from './connect.ts';
import { withStore } from './connect.ts';
import { readVms } from './vms.ts';

const withinMs = 800;

/** fish asks the same question as bash; yargs has no script for it. */
export const fishScript = `# nodectl completion fish > ~/.config/fish/completions/nodectl.fish
function __nodectl_complete
    set -l words (commandline -opc) (commandline -ct)
    nodectl --get-yargs-completions $words[2..] 2>/dev/null
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
const vmVerbs = 'show undefine modify start shutdown stop restart disable migrate unmigrate move flush-locks'.split(
  ' ',
);

/** What the word after these may be the name of. */
export function namesWanted(words: readonly string[]): 'nodes' | 'vms' | null {
  const [first = '', second = ''] = words;
  const path = `${first} ${second}`.trim();
  if (first === 'vm' && vmVerbs.includes(second)) return 'vms';
  const isFence = first === 'fence' && ['confirm', 'history', 'simulate'].includes(second);
  return isFence || nodeCommands.includes(first) || nodeCommands.includes(path) ? 'nodes' : null;
}

/** Empty when the store does not answer at once: a Tab is no reason to wait. */
export async function knownNames(kind: 'nodes' | 'vms', args: Readonly<Record<string, unknown>>): Promise<string[]> {
  try {
    const read = async ({ store }: Connected) => {
      if (kind === 'vms') return (await readVms(store)).vms.map(({ record }) => record.name);
      const listed = await store.list(tree.nodes);
      return listed.ok ? listed.names : [];
    };
    return await withStore(args, read, withinMs);
  } catch {
    return []; // nothing to offer
  }
}
