/** nodectl leave and join: a node goes in good order and stays out until it is let in again. */
import type { Store } from '../../environment/store.ts';
import type { LeftMark } from '../../records/left.ts';
import { printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { readCluster } from '../cluster-view.ts';
import type { Command } from '../command.ts';
import { flag, text, waitOptions, waits } from '../command.ts';
import type { Connected } from '../connect.ts';
import { pause, requester, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { durationOption } from '../seconds.ts';
import { namedOrHere } from '../this-node.ts';
import { hindrances } from '../transfer.ts';

const options = {
  node: { type: 'string', describe: 'the node (default: this machine)' },
  ...waitOptions,
  timeout: { type: 'string', default: '90s', describe: 'how long to wait' },
} as const;

export const leave: Command = {
  usage: 'leave',
  describe:
    'Take a node out: it hands the role over, stops in good order, and stays out (over restarts) until "nodectl join". Quorum sizes do not change.',
  options: {
    ...options,
    reason: { type: 'string', default: '', describe: 'why, for the record' },
    force: { type: 'boolean', default: false, describe: 'also when nobody else can be primary' },
  },
  examples: [
    ['nodectl leave --node node2 --reason "moves to another rack"', 'returns when it is out and another is primary'],
  ],
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const view = await readCluster(store, config);
      const { name, left } = namedOrHere(config, view.nodes, text(args, 'node'));
      if (view.primary.holder === name && !flag(args, 'force')) {
        const found = await hindrances(store, view, null);
        if (found.length > 0)
          throw new CommandError(
            exitCodes.refused,
            `${name} is primary and the role cannot go (--force lets it go to nobody); nothing was touched:\n  ${found.join('\n  ')}`,
          );
      }
      if (left === null)
        await mark(store, name, {
          schema: 1,
          left: true,
          by: requester(),
          reason: text(args, 'reason') ?? '',
          sinceWallMs: Date.now(),
        });
      if (!waits(args)) return exitCodes.done;
      await until({ store, config }, durationOption(args, 'timeout'), `${name} has not left yet`, (now) => {
        const node = now.nodes.find((candidate) => candidate.name === name);
        return node?.state === 'stop' && now.primary.holder !== name;
      });
      output.line(`${name} has left the cluster; nodectl join lets it in again`);
      return exitCodes.done;
    }),
};

export const join: Command = {
  usage: 'join',
  describe: 'Let a node in again that has left.',
  options,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const view = await readCluster(store, config);
      const { name, left } = namedOrHere(config, view.nodes, text(args, 'node'));
      if (left === null) output.line(`${name} has not left`);
      else await mark(store, name, { schema: 1, left: false, by: requester(), reason: '', sinceWallMs: Date.now() });
      if (left === null || !waits(args)) return exitCodes.done;
      await until(
        { store, config },
        durationOption(args, 'timeout'),
        `${name} may come in, but does not run yet; is its noded up?`,
        (now) => now.nodes.some((node) => node.name === name && node.state === 'run'),
      );
      output.line(`${name} runs`);
      return exitCodes.done;
    }),
};

async function mark(store: Store, name: string, record: LeftMark): Promise<void> {
  const path = tree.left(name);
  const read = await store.read(path);
  const done = read.ok
    ? await store.write(path, printRecord(record), read.version)
    : await store.create(path, printRecord(record), 'persistent');
  if (!done.ok) throw new CommandError(exitCodes.unreachable, `${path}: ${done.because}`);
}

async function until(
  { store, config }: Pick<Connected, 'store' | 'config'>,
  withinMs: number,
  otherwise: string,
  holds: (view: Awaited<ReturnType<typeof readCluster>>) => boolean,
): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds(await readCluster(store, config))) {
    if (performance.now() > endMs) throw new CommandError(exitCodes.timedOut, otherwise);
    await pause(100);
  }
}
