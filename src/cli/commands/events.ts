/** nodectl events: what happened and why. */
import type { HistoryEvent } from '../../records/history.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import { pause, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { clockTime } from '../output.ts';
import { mustBeKnown } from '../known-node.ts';
import type { NamedEvent } from '../../view/events.ts';
import { readEvents } from '../read-events.ts';

const followMs = 300;

export const events: Command = {
  usage: 'events',
  describe: 'Show what happened and why, oldest first.',
  options: {
    ...jsonOption,
    follow: { type: 'boolean', default: false, alias: 'f', describe: 'go on showing new events until Ctrl-C' },
    limit: { type: 'number', default: 50, alias: 'n', describe: 'how many of the newest events (0: all)' },
    node: { type: 'string', describe: 'only events about this node' },
  },
  examples: [['nodectl events --follow', 'watch the cluster']],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const { store } = connected;
      const limit = Number(args['limit']);
      if (!Number.isInteger(limit) || limit < 0)
        throw new CommandError(exitCodes.usage, `--limit takes a whole number, got ${String(args['limit'])}`);
      const about = text(args, 'node');
      if (about !== undefined) await mustBeKnown(connected, about, (event) => event.node === about);
      const json = flag(args, 'json');
      let last: NamedEvent | null = null;
      const next = async (most: number) => {
        const found = await readEvents(store, last, most);
        last = found.at(-1) ?? last;
        return found.map(({ event }) => event).filter((event) => about === undefined || event.node === about);
      };
      const first = await next(limit);
      const follow = flag(args, 'follow');
      if (json && !follow) output.json(first);
      else for (const event of first) print(event, json, output);
      if (first.length === 0 && !json && !follow) output.line('nothing has happened yet');
      while (follow) {
        await pause(followMs);
        for (const event of await next(0)) print(event, json, output);
      }
      return exitCodes.done;
    }),
};

function print(event: HistoryEvent, json: boolean, output: Output): void {
  if (json) {
    output.line(JSON.stringify(event));
    return;
  }
  output.line(
    `${clockTime(event.wallMs)}  ${event.by.padEnd(10)} ${output.paint('bold', event.kind.padEnd(17))} ${event.because}`,
  );
}
