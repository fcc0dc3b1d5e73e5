/**
 * nodectl fence-check: proves beforehand that fencing will work. Every coordinator is asked to prove it anew from where it
 * stands; nothing is switched. Exit 0 only if every node can be fenced by at least two others (or all others).
 */
import type { SinglePointFacts } from '../../core/verification.ts';
import { coverage, singlePoints } from '../../core/verification.ts';
import type { Store } from '../../environment/store.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import type { VerifyRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import { VerificationRow } from '../../records/verification.ts';
import type { VerificationEntry } from '../../records/verification.ts';
import type { NodeView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import { pause, requester, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { clockTime } from '../output.ts';
import { findNode } from './node.ts';

interface Row {
  readonly by: string;
  readonly fresh: boolean;
  readonly entries: Readonly<Record<string, VerificationEntry>>;
}

/** What one probe may take, when a BMC does not answer at all, and how many follow each other. */
const waitMs = 25_000;

export const fenceCheck: Command = {
  usage: 'fence-check [node]',
  describe:
    'Prove that fencing will work: address, session, cipher suite, password, privilege, power reading, identity. Changes nothing.',
  positionals: { node: { type: 'string', describe: 'only this node' } },
  options: {
    ...jsonOption,
    strict: { type: 'boolean', default: false, describe: 'single points of failure fail the check too' },
  },
  examples: [
    ['nodectl fence-check', 'preflight: exit 0 only if every node can be fenced by two others'],
    ['nodectl fence-check --strict', 'the same, and nothing whose single failure would make it impossible'],
  ],
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes } = await readCluster(store, config);
      if (nodes.length === 0) throw new CommandError(exitCodes.failed, 'no node has registered yet');
      const only = text(args, 'node');
      const targets = only === undefined ? nodes : [findNode(nodes, only)];
      const rows = await askCoordinators(store, nodes, only ?? null);
      const fencers = rows.map((row) => row.by);
      const can = (by: string, target: string) =>
        rows.some((row) => row.by === by && row.fresh && row.entries[target]?.canFence === true);
      const covered = coverage(
        targets.map((node) => node.name),
        fencers,
        can,
      );
      const weak = singlePoints({ nodes: targets.map((node) => weighed(node, rows, covered)) });
      const ok = covered.every((entry) => entry.enough) && !(flag(args, 'strict') && weak.length > 0);
      if (flag(args, 'json')) output.json({ ok, nodes: covered, singlePoints: weak, matrix: rows });
      else printMatrix(rows, targets, covered, weak, ok, output);
      return ok ? exitCodes.done : exitCodes.failed;
    }),
};

/** Asks every coordinator for a new proof and waits for the rows; who does not answer keeps its old row, marked. */
async function askCoordinators(store: Store, nodes: readonly NodeView[], only: string | null): Promise<Row[]> {
  const coordinators = nodes.filter((node) => node.role === 'coordinator' && node.state !== 'stop');
  const request: VerifyRequest = { schema: 1, kind: 'verify', node: only, by: requester() };
  const made = await store.create(`${tree.requests}/r-`, printRecord(request), 'ephemeral-sequential');
  if (!made.ok) throw new CommandError(exitCodes.unreachable, made.because);
  const id = made.path.slice(tree.requests.length + 1);
  const endMs = performance.now() + waitMs;
  const living = new Set(coordinators.filter((node) => node.state === 'run' && node.session).map((node) => node.name));
  for (;;) {
    const rows = await Promise.all(coordinators.map((node) => readRow(store, node.name, id)));
    const waiting = rows.filter((row) => !row.fresh && living.has(row.by));
    if (waiting.length === 0 || performance.now() > endMs) {
      await store.remove(made.path, 0);
      return rows;
    }
    await pause(100);
  }
}

async function readRow(store: Store, by: string, id: string): Promise<Row> {
  const read = await store.read(tree.verification(by));
  const parsed = read.ok ? parseRecord(VerificationRow, read.text) : null;
  if (parsed?.ok !== true) return { by, fresh: false, entries: {} };
  return { by, fresh: parsed.record.answers === id, entries: parsed.record.entries };
}

type Covered = ReturnType<typeof coverage>;

function printMatrix(
  rows: readonly Row[],
  targets: readonly NodeView[],
  covered: Covered,
  weak: readonly string[],
  ok: boolean,
  output: Output,
): void {
  const cell = (row: Row, target: string) => {
    const entry = row.entries[target];
    if (entry === undefined || !row.fresh) return output.paint('dim', '?');
    const ways = entry.levels.filter((level) => level.proof === 'holds').map((level) => level.level);
    const word = entry.canFence
      ? output.paint('green', ways.join(', ') || 'yes')
      : output.paint('red', entry.fault ?? 'no');
    return row.by === target ? `(${word})` : word;
  };
  output.table(
    ['WHO CAN FENCE', ...targets.map((node) => node.name)],
    rows.map((row) => [row.by, ...targets.map((node) => cell(row, node.name))]),
  );
  output.line();
  for (const { node, by, needed, enough } of covered) {
    const count = `${node} can be fenced by ${by.length === 0 ? 'nobody' : by.join(', ')}`;
    output.line(enough ? `ok    ${count}` : output.paint('red', `FAIL  ${count}; needed: ${needed}`));
  }
  for (const row of rows.filter((candidate) => !candidate.fresh)) {
    output.line(output.paint('yellow', `!     ${row.by} did not answer: nothing is proved from there`));
  }
  for (const line of reasons(rows, targets)) output.line(output.paint('yellow', `!     ${line}`));
  for (const line of weak) output.line(output.paint('yellow', `weak  ${line}`));
  output.line();
  output.line(
    ok
      ? output.paint('green', 'every node can be fenced')
      : covered.every((entry) => entry.enough)
        ? output.paint('red', 'every node can be fenced now, but a single failure would end that: see above')
        : output.paint('red', 'fencing would fail: see above'),
  );
}

/** What is known of one node, for the search for single points. */
function weighed(node: NodeView, rows: readonly Row[], covered: Covered): SinglePointFacts['nodes'][number] {
  const entries = rows
    .filter((row) => row.fresh && row.by !== node.name)
    .flatMap((row) => row.entries[node.name] ?? []);
  const holding = entries.flatMap((entry) =>
    entry.levels.filter((level) => level.proof === 'holds').map(({ level }) => level),
  );
  return {
    name: node.name,
    levels: node.levels,
    places: node.devices.map((device) => device.where),
    guids: [...new Set(entries.flatMap((entry) => entry.guid ?? []))],
    holding: [...new Set(holding)],
    fencers: covered.find((entry) => entry.node === node.name)?.by ?? [],
  };
}

/** Each reason once, with who saw it. */
function reasons(rows: readonly Row[], targets: readonly NodeView[]): string[] {
  const seen = new Map<string, string[]>();
  for (const row of rows.filter((candidate) => candidate.fresh)) {
    for (const target of targets) {
      const entry = row.entries[target.name];
      if (entry === undefined || (entry.canFence && entry.fault === null)) continue;
      const since = `, since ${clockTime(entry.sinceWallMs).slice(0, 19)}`;
      const sentence = `${target.name}: ${entry.because}${entry.advice === null ? '' : `; ${entry.advice}`}${since}`;
      seen.set(sentence, [...(seen.get(sentence) ?? []), row.by]);
    }
  }
  return [...seen].map(([sentence, by]) => `${sentence} (seen from ${by.join(', ')})`);
}
