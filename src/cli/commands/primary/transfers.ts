/** nodectl primary takeover|relinquish: moves the role, and waits until it has moved. */
import { readCluster } from '../../cluster-view.ts';
import type { ClusterView } from '../../cluster-view.ts';
import type { Arguments, Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import type { TransferRecord } from '../../../records/transfer.ts';
import type { Connected } from '../../connect.ts';
import { withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { durationOption } from '../../seconds.ts';
import { namedOrHere } from '../../this-node.ts';
import { askForTransfer, followTransfer, hindrances, readTransfers } from '../../transfer.ts';

const options = {
  reason: { type: 'string', default: '', describe: 'why, for the record and for the hooks' },
  'dry-run': { type: 'boolean', default: false, describe: 'only say what would happen, or what is in the way' },
  wait: { type: 'boolean', default: true, describe: 'wait for the end and show every step' },
  'no-wait': { type: 'boolean', default: false, describe: 'print the id of the transfer and end' },
  timeout: { type: 'string', default: '60s', describe: 'how long to wait, and how long the request is good' },
  ...jsonOption,
} as const;

export const takeover: Command = {
  usage: 'takeover',
  describe: 'Make a node primary: it prepares, the present primary stops and hands over in one write.',
  options: { node: { type: 'string', describe: 'the node (default: this machine)' }, ...options },
  examples: [
    ['nodectl primary takeover --node node2', 'node2 becomes primary'],
    ['nodectl primary takeover --node node2 --dry-run', 'would it work?'],
  ],
  run: (args, output) =>
    withStore(args, (connected) =>
      move(args, connected, output, ({ nodes }) => namedOrHere(connected.config, nodes, text(args, 'node')).name),
    ),
};

export const relinquish: Command = {
  usage: 'relinquish',
  describe: 'Hand the role of the present primary to another node, or to the best candidate.',
  options: { to: { type: 'string', describe: 'the node (default: the best candidate)' }, ...options },
  examples: [['nodectl primary relinquish --reason "new kernel"', 'the best candidate takes over']],
  run: (args, output) =>
    withStore(args, (connected) =>
      move(args, connected, output, ({ nodes }) => {
        const to = text(args, 'to');
        return to === undefined ? null : namedOrHere(connected.config, nodes, to).name;
      }),
    ),
};

export const follow: Command = {
  usage: 'follow <id>',
  describe: 'Follow a transfer that was asked for with --no-wait, from anywhere.',
  positionals: { id: { type: 'string', describe: 'what --no-wait printed' } },
  options: { timeout: options.timeout, ...jsonOption },
  run: (args, output) =>
    withStore(args, async ({ store }) => {
      const id = text(args, 'id') ?? '';
      const known = (await readTransfers(store)).map((transfer) => transfer.id);
      if (!known.includes(id))
        throw new CommandError(
          exitCodes.usage,
          `there is no transfer "${id}"; known are: ${known.join(', ') || 'none'}`,
        );
      return tellEnd(
        args,
        id,
        await followTransfer(store, id, durationOption(args, 'timeout'), flag(args, 'json') ? null : output),
        output,
      );
    }),
};

async function move(
  args: Arguments,
  { store, config }: Connected,
  output: Output,
  target: (view: ClusterView) => string | null,
): Promise<number> {
  const withinMs = durationOption(args, 'timeout');
  const view = await readCluster(store, config);
  const to = target(view);
  const json = flag(args, 'json');
  if (flag(args, 'dry-run')) return dryRun(view, await hindrances(store, view, to), to, json, output);
  const id = await askForTransfer(store, view, { to, reason: text(args, 'reason') ?? '', withinMs });
  if (flag(args, 'no-wait') || !flag(args, 'wait')) {
    if (json) output.json({ id });
    else output.line(id);
    return exitCodes.done;
  }
  return tellEnd(args, id, await followTransfer(store, id, withinMs, json ? null : output), output);
}

function tellEnd(args: Arguments, id: string, record: TransferRecord, output: Output): number {
  if (flag(args, 'json')) output.json({ id, ...record });
  else {
    for (const [name, ms] of Object.entries(record.awayMs)) output.line(`  ${name} was away for ${ms} ms`);
    output.line(output.paint('green', `${record.to ?? '?'} is primary`));
  }
  return exitCodes.done;
}

function dryRun(view: ClusterView, found: readonly string[], to: string | null, json: boolean, output: Output): number {
  const from = view.primary.holder;
  const fit = view.nodes.filter((node) => node.ineligible === null && node.name !== from).map((node) => node.name);
  if (json) output.json({ from, to, candidates: fit, inTheWay: found });
  else if (found.length === 0)
    output.line(
      `nothing is in the way: ${from ?? '?'} would stop its resources and hand over to ${to ?? `the best of ${fit.join(', ')}`}`,
    );
  if (found.length > 0 && !json) throw new CommandError(exitCodes.refused, `in the way:\n  ${found.join('\n  ')}`);
  return found.length === 0 ? exitCodes.done : exitCodes.refused;
}
