/** nodectl maintenance on|off|status: a declared pause of one node, or of the whole cluster. */
import { printDuration } from '../../config/duration.ts';
import type { Store } from '../../environment/store.ts';
import { Maintenance } from '../../records/maintenance.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { ClusterView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import type { Arguments, Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import type { Connected } from '../connect.ts';
import { pause, requester, withStore } from '../connect.ts';
import { declaredIn, declaredInWords, leftInWords, readDeclared } from '../declared.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { clockTime } from '../output.ts';
import { durationOption } from '../seconds.ts';
import { namedOrHere } from '../this-node.ts';
import { hindrances } from '../transfer.ts';

const node = { node: { type: 'string', describe: 'only this node (default: the whole cluster)' } } as const;

const on: Command = {
  usage: 'on',
  describe:
    'Begin a maintenance. A node: its role is handed over first, it is no candidate, and it is not fenced. The cluster: nobody is fenced. Exit 4: one was declared already (--force replaces it).',
  options: {
    ...node,
    reason: { type: 'string', default: '', describe: 'why, for everybody who looks' },
    for: { type: 'string', describe: 'it ends by itself after this long, e.g. 2h' },
    'keep-role': { type: 'boolean', default: false, describe: 'the node stays primary if it is' },
    force: { type: 'boolean', default: false, describe: 'replace a maintenance that was declared before' },
    timeout: { type: 'string', default: '60s', describe: 'how long to wait for the role to be gone' },
  },
  examples: [
    [
      'nodectl maintenance on --node node2 --reason "new disk" --for 2h',
      'the role is gone from node2 when this returns',
    ],
  ],
  run: (args, output) => withStore(args, (connected) => begin(args, connected, output)),
};

const off: Command = {
  usage: 'off',
  describe: 'End a maintenance.',
  options: node,
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { path, name } = whose(args, await readCluster(store, config), config);
      const read = await store.read(path);
      const before = read.ok && read.text !== '' ? parseRecord(Maintenance, read.text) : null;
      if (!read.ok || before?.ok === false || before?.record.on !== true) {
        if (before?.ok !== false) {
          output.line(`${name ?? 'the cluster'} is not in maintenance`);
          return exitCodes.done;
        }
      }
      await write(store, path, { ...blank('', null, false), on: false });
      output.line(`the maintenance of ${name ?? 'the cluster'} is over`);
      return exitCodes.done;
    }),
};

const status: Command = {
  usage: 'status',
  describe: 'Show what is in maintenance: why, by whom, since when, how long is left.',
  options: { ...node, ...jsonOption },
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const view = await readCluster(store, config);
      const wanted = text(args, 'node') === undefined ? null : whose(args, view, config).name;
      const rows = await Promise.all(
        [
          { what: 'the cluster', maintenance: view.cluster.maintenance, name: null },
          ...view.nodes.map(({ name, maintenance }) => ({ what: name, maintenance, name })),
        ]
          .filter((row) => wanted === null || row.name === wanted)
          .map(async (row) => ({ ...row, declared: await readDeclared(store, row.name) })),
      );
      if (flag(args, 'json'))
        output.json(
          rows.map(({ what, maintenance, declared }) => ({
            what,
            maintenance,
            by: declared?.by ?? null,
            sinceWallMs: declared?.sinceWallMs ?? null,
            leftMs: declared?.leftMs ?? null,
          })),
        );
      else
        output.table(
          ['WHAT', 'MAINTENANCE', 'BY', 'SINCE', 'ENDS'],
          rows.map(({ what, declared }) =>
            declared === null
              ? [what, '-', '-', '-', '-']
              : [
                  what,
                  output.paint('yellow', declared.reason),
                  declared.by,
                  declared.sinceWallMs === null ? '?' : clockTime(declared.sinceWallMs).slice(0, 19),
                  leftInWords(declared),
                ],
          ),
        );
      return exitCodes.done;
    }),
};

export const maintenance: Command = {
  usage: 'maintenance',
  describe: 'Declare a pause of one node or of the whole cluster.',
  commands: [on, off, status],
};

async function begin(args: Arguments, { store, config }: Connected, output: Output): Promise<number> {
  const view = await readCluster(store, config);
  const { path, name } = whose(args, view, config);
  const forMs = text(args, 'for') === undefined ? null : durationOption(args, 'for');
  const keepsRole = flag(args, 'keep-role');
  const force = flag(args, 'force');
  if (!force) mustBeFree(name, await store.read(path));
  const mustGo = name !== null && view.primary.holder === name && !keepsRole;
  if (mustGo) {
    const found = (await hindrances(store, view, null)).filter((hindrance) => !hindrance.startsWith('the transfer '));
    if (found.length > 0)
      throw new CommandError(
        exitCodes.refused,
        `${name} is primary and the role cannot go (--keep-role leaves it there); nothing was touched:\n  ${found.join('\n  ')}`,
      );
  }
  const record = blank(text(args, 'reason') ?? '', forMs, keepsRole);
  await write(store, path, record, (read) => force || mustBeFree(name, read));
  const until =
    forMs === null
      ? `until "nodectl maintenance off${name === null ? '' : ` --node ${name}`}"`
      : `for ${printDuration(forMs)}`;
  output.line(`${name ?? 'the cluster'} is in maintenance ${until}`);
  if (!mustGo) return exitCodes.done;
  const successor = await roleGone(store, config, name, durationOption(args, 'timeout'));
  output.line(output.paint('green', `${successor} is primary`));
  return exitCodes.done;
}

/** Waits until another node is primary; returns its name. */
async function roleGone(store: Store, config: Connected['config'], from: string, withinMs: number): Promise<string> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const { primary } = await readCluster(store, config);
    if (primary.holder !== null && primary.holder !== from && primary.state === 'primary') return primary.holder;
    if (performance.now() > endMs)
      throw new CommandError(
        exitCodes.timedOut,
        `${from} is in maintenance, but the role is not gone yet: ${primary.holder ?? 'nobody'} is in "${primary.state}" (${primary.because}); nodectl primary status`,
      );
    await pause(50);
  }
}

function whose(args: Arguments, view: ClusterView, config: Connected['config']): { path: string; name: string | null } {
  const wanted = text(args, 'node');
  if (wanted === undefined) return { path: tree.maintenance, name: null };
  const { name } = namedOrHere(config, view.nodes, wanted);
  return { path: tree.nodeMaintenance(name), name };
}

function blank(reason: string, forMs: number | null, keepsRole: boolean): Maintenance {
  return { schema: 1, on: true, by: requester(), reason, sinceWallMs: Date.now(), forMs, keepsRole };
}

/** Another operator's maintenance, its reason and its end, is not replaced by accident. */
function mustBeFree(name: string | null, read: Awaited<ReturnType<Store['read']>>): true {
  const before = read.ok ? declaredIn(read.text, read.modifiedWallMs, Date.now()) : null;
  if (before === null) return true;
  throw new CommandError(
    exitCodes.refused,
    `${declaredInWords(name, before)}; nothing was changed. --force replaces it`,
  );
}

/** `check` throws if what stands there must stay. */
async function write(
  store: Store,
  path: string,
  record: Maintenance,
  check: (read: Awaited<ReturnType<Store['read']>>) => boolean = () => true,
): Promise<void> {
  for (let tries = 0; tries < 3; tries += 1) {
    const read = await store.read(path);
    check(read);
    const done = read.ok
      ? await store.write(path, printRecord(record), read.version)
      : await store.create(path, printRecord(record), 'persistent');
    if (done.ok) return;
    if (done.code !== 'bad-version' && done.code !== 'node-exists')
      throw new CommandError(exitCodes.unreachable, done.because);
  }
  throw new CommandError(exitCodes.failed, `${path}: others write it at the same time; try again`);
}
