/** nodectl key status: where a change of the cluster key stands, and what is next. */
import type { Command } from '../../command.ts';
import { flag, jsonOption } from '../../command.ts';
import { withStore } from '../../connect.ts';
import { exitCodes } from '../../exit-codes.ts';
import { nextStep, standing, withTreeAccess } from './keys.ts';

const shownPaths = 10;

export const status: Command = {
  usage: 'status',
  describe: 'Show which cluster keys every node holds, whose the records in the store are, and what to do next.',
  options: jsonOption,
  examples: [['nodectl key status', 'before and after every step of a change of the key']],
  run: (args, output) =>
    withStore(args, (connected) =>
      withTreeAccess(connected, async (access) => {
        const found = await standing(connected, access, []);
        const { held, nodes, ownership, step } = found;
        if (flag(args, 'json')) {
          const paths = Object.fromEntries(held.map((name, at) => [name, ownership.paths[at] ?? 0]));
          output.json({ held, nodes, paths, foreign: ownership.foreign, step, next: nextStep(step) });
          return exitCodes.done;
        }
        output.line(`This machine holds ${held.join(', ')}; it writes with ${held[0]}.`);
        output.table(
          ['NODE', 'HOLDS', 'DEVICES SEALED WITH'],
          nodes.map(({ name, keys, sealedWith }) => [name, keys?.join(', ') ?? 'does not say', sealedWith ?? '-']),
        );
        output.line(`Records: ${held.map((name, at) => `${ownership.paths[at] ?? 0} under ${name}`).join(', ')}`);
        for (const path of ownership.foreign.slice(0, shownPaths))
          output.line(output.paint('yellow', `not ours alone: ${path}`));
        if (ownership.foreign.length > shownPaths) output.line(`and ${ownership.foreign.length - shownPaths} more`);
        output.line(`Next: ${nextStep(step)}`);
        return exitCodes.done;
      }),
    ),
};
