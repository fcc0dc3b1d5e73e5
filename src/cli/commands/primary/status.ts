/** nodectl primary status: who holds the role, who could, and what moved it. */
import { isOver } from '../../../core/transfer.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Command } from '../../command.ts';
import { flag, jsonOption } from '../../command.ts';
import { withStore } from '../../connect.ts';
import { exitCodes } from '../../exit-codes.ts';
import { clockTime } from '../../output.ts';
import { readTransfers } from '../../transfer.ts';
import { roleInWords } from '../../role-words.ts';
import { primaryLine } from '../status.ts';

const shownMax = 5;

export const status: Command = {
  usage: 'status',
  describe: 'Show who is primary, who could be, and the newest transfers.',
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const view = await readCluster(store, config);
      const transfers = await readTransfers(store);
      if (flag(args, 'json')) {
        const candidates = view.nodes.map(({ name, coordinatorState, lastCoordinatorState, ineligible }) => ({
          name,
          coordinatorState,
          lastCoordinatorState,
          ineligible,
        }));
        output.json({ primary: view.primary, candidates, transfers });
        return exitCodes.done;
      }
      output.line(primaryLine(view, output));
      output.line();
      output.table(
        ['NODE', 'STATE', 'CAN BE PRIMARY'],
        view.nodes.map((node) => [
          node.name,
          roleInWords(node),
          node.ineligible !== null
            ? `no: ${node.ineligible}`
            : view.primary.blocked === null
              ? output.paint('green', 'yes')
              : output.paint('yellow', 'not now: see above'),
        ]),
      );
      if (transfers.length > 0) output.line();
      for (const { id, record } of transfers.slice(-shownMax)) {
        const last = record.steps.at(-1);
        const colour = record.state === 'done' ? 'green' : isOver(record.state) ? 'red' : 'yellow';
        const when = last === undefined ? '' : clockTime(last.wallMs);
        output.line(
          `${id}  ${record.from} -> ${record.to ?? 'best'}  ${output.paint(colour, record.state)}  ${when}  ${last?.because ?? record.reason}`,
        );
      }
      return exitCodes.done;
    }),
};
