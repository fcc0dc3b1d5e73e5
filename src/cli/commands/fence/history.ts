/** nodectl fence history: the fences that happened. */
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { withStore } from '../../connect.ts';
import { mustBeKnown } from '../../known-node.ts';
import { exitCodes } from '../../exit-codes.ts';
import { clockTime } from '../../output.ts';
import { readFenceHistory } from './past-fences.ts';

export const history: Command = {
  usage: 'history [node]',
  describe: 'Show the fences that happened, newest first.',
  positionals: { node: { type: 'string', describe: 'only this node' } },
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async (connected) => {
      const { store } = connected;
      const only = text(args, 'node');
      const fences = await readFenceHistory(store, only ?? null);
      if (only !== undefined && fences.length === 0) await mustBeKnown(connected, only, (event) => event.node === only);
      if (flag(args, 'json')) output.json(fences);
      else if (fences.length === 0) output.line(`${only ?? 'no node'} was ${only === undefined ? '' : 'n'}ever fenced`);
      else {
        for (const fence of fences) {
          output.line(
            `${clockTime(fence.verdictAt)}  ${output.paint('bold', fence.node)} ${fence.outcome} by ${fence.by}: ${fence.reason}`,
          );
          for (const step of fence.steps)
            output.line(
              `    +${String(Math.round(step.at - fence.verdictAt)).padStart(6)} ms  ${step.by}: ${step.what}: ${step.because}`,
            );
        }
      }
      return exitCodes.done;
    }),
};
