/** nodectl wait: for scripts that must not go on before something is so. */
import type { ClusterView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import type { Command } from '../command.ts';
import { text } from '../command.ts';
import { pause, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { roleInWords } from '../role-words.ts';
import { durationOption } from '../seconds.ts';

const things = ['primary', 'run', 'stop', 'fenced', 'secondary'] as const;
type Thing = (typeof things)[number];

const words: Readonly<Record<Thing, string>> = {
  primary: 'somebody (or --node) is primary, no switch under way',
  secondary: '--node runs and is not primary',
  run: 'every node (or --node) runs',
  stop: '--node has stopped in good order',
  fenced: '--node is fenced',
};

export const wait: Command = {
  usage: 'wait',
  describe: `Wait until something is so: ${things.map((thing) => `${thing} (${words[thing]})`).join('; ')}.`,
  options: {
    for: { choices: things, demandOption: true, describe: 'what to wait for' },
    node: { type: 'string', describe: 'the node that it is about' },
    timeout: { type: 'string', default: '60s', describe: 'exit 5 after this long' },
  },
  examples: [['nodectl wait --for primary --timeout 30s', 'a script goes on when there is a primary']],
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const thing = text(args, 'for') as Thing;
      const node = text(args, 'node');
      if (node === undefined && (thing === 'stop' || thing === 'fenced' || thing === 'secondary'))
        throw new CommandError(exitCodes.usage, `--for ${thing} needs --node`);
      const endMs = performance.now() + durationOption(args, 'timeout');
      for (;;) {
        const view = await readCluster(store, config);
        if (node !== undefined && !view.nodes.some((candidate) => candidate.name === node))
          throw new CommandError(
            exitCodes.usage,
            `there is no node "${node}"; the nodes are: ${view.nodes.map(({ name }) => name).join(', ')}`,
          );
        const found = look(view, thing, node);
        if (found.so) {
          output.line(found.because);
          return exitCodes.done;
        }
        if (performance.now() > endMs) throw new CommandError(exitCodes.timedOut, `not so yet: ${found.because}`);
        await pause(50);
      }
    }),
};

function look(
  view: ClusterView,
  thing: Thing,
  name: string | undefined,
): { readonly so: boolean; readonly because: string } {
  const { primary, nodes } = view;
  const node = nodes.find((candidate) => candidate.name === name);
  const state = `${name ?? ''} is in "${node?.state ?? 'unknown'}"`;
  switch (thing) {
    case 'primary': {
      const so = primary.state === 'primary' && (name === undefined || primary.holder === name);
      return {
        so,
        because:
          primary.blocked !== null
            ? `nobody takes the role: ${primary.blocked}`
            : primary.holder === null || primary.state === 'ended'
              ? `nobody is primary: ${primary.because}`
              : `${primary.holder}: ${primary.state}, epoch ${primary.epoch}`,
      };
    }
    case 'secondary':
      return {
        so: node?.state === 'run' && node.coordinatorState === 'secondary',
        because: `${state}, ${node === undefined ? 'no coordinator' : roleInWords(node)}`,
      };
    case 'run': {
      const missing = nodes.filter(
        (candidate) =>
          candidate.state !== 'run' && candidate.left === null && (name === undefined || candidate.name === name),
      );
      return {
        so: missing.length === 0 && nodes.length > 0,
        because:
          missing.length === 0
            ? `${name ?? 'every node'} runs`
            : missing.map((one) => `${one.name} is in "${one.state}"`).join(', '),
      };
    }
    case 'stop':
      return { so: node?.state === 'stop', because: state };
    case 'fenced':
      return { so: node?.state === 'fenced', because: state };
  }
}
