/**
 * nodectl fence-check: proves beforehand that fencing will work. Those who verify each node are asked to verify it again, from where
 * they stand (--all: every coordinator); nothing is switched. Exit 0 only if every node can be fenced by at least two others (or all others).
 */
import type { SinglePointFacts } from '../../core/verification.ts';
import { coverage, deviceFaults, singlePoints } from '../../core/verification.ts';
import { isUnderWay } from '../../core/fencing.ts';
import type { Config } from '../../config/load.ts';
import type { Store } from '../../environment/store.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import type { VerifyRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import { VerificationHead } from '../../records/verification.ts';
import type { VerificationEntry } from '../../records/verification.ts';
import { readVerifications } from '../../view/cluster-view.ts';
import type { NodeView } from '../cluster-view.ts';
import { readCluster } from '../cluster-view.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import { pause, requester, withStore } from '../connect.ts';
import type { Distrust } from '../distrust.ts';
import { distrustAdvice, distrustInWords, distrustOf } from '../distrust.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { clockTime } from '../output.ts';
import { afterAttempts, ago, attemptedInWords, attemptedOf } from './fence/attempted.ts';
import { findNode } from './node.ts';

interface Row {
  readonly by: string;
  readonly fresh: boolean;
  readonly entries: Readonly<Record<string, VerificationEntry>>;
}

/** What one probe may take, when a BMC does not answer at all, and how many follow each other. */
const waitMs = 25_000;
/** On top for each node: a probe takes about a second, and each coordinator makes four at a time. */
const perNodeMs = 500;

export const fenceCheck: Command = {
  usage: 'fence-check [node]',
  describe:
    'Prove that fencing will work: address, session, cipher suite, password, privilege, power reading, identity. Changes nothing.',
  positionals: { node: { type: 'string', describe: 'only this node' } },
  options: {
    ...jsonOption,
    all: {
      type: 'boolean',
      default: false,
      describe:
        'from every coordinator, not only from those who verify the node: its observers and who would replace them',
    },
    strict: { type: 'boolean', default: false, describe: 'single points of failure fail the check too' },
  },
  examples: [
    ['nodectl fence-check', 'preflight: exit 0 only if every node can be fenced by two others'],
    ['nodectl fence-check node4 --all', 'node4 only, from every coordinator'],
    ['nodectl fence-check --strict', 'the same, and nothing whose single failure would make it impossible'],
  ],
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes } = await readCluster(store, config);
      if (nodes.length === 0) throw new CommandError(exitCodes.failed, 'no node has registered yet');
      const only = text(args, 'node');
      const targets = only === undefined ? nodes : [findNode(nodes, only)];
      const answers = await askCoordinators(store, nodes, only ?? null, flag(args, 'all'));
      const after = await readAfter(store, config, targets);
      const known = new Map(after.map(({ name, distrust }) => [name, distrust]));
      const fences = new Map(after.map(({ name, fence }) => [name, fence]));
      const rows = answers.map((row) => ({ ...row, entries: sinceTried(row, fences) }));
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
      if (flag(args, 'json'))
        output.json({ ok, nodes: covered, singlePoints: weak, distrusted: Object.fromEntries(known), matrix: rows });
      else printMatrix(rows, targets, covered, { weak, known, fences, checked: only ?? 'every node' }, ok, output);
      return ok ? exitCodes.done : exitCodes.failed;
    }),
};

type Distrusted = ReadonlyMap<string, readonly Distrust[]>;

type Fences = ReadonlyMap<string, FenceRecord | null>;

/** What is known against the devices of these nodes now that they were verified, and their fences. */
async function readAfter(
  store: Store,
  config: Config,
  targets: readonly NodeView[],
): Promise<{ name: string; distrust: readonly Distrust[]; fence: FenceRecord | null }[]> {
  const { nodes } = await readCluster(store, config);
  const found = targets.flatMap(({ name }) => nodes.find((node) => node.name === name) ?? []);
  return found.map((node) => ({ name: node.name, distrust: distrustOf(nodes, node), fence: node.fence }));
}

/** What failed in a fence after it was verified does not hold. */
function sinceTried({ by, entries }: Row, fences: Fences): Row['entries'] {
  return Object.fromEntries(
    Object.entries(entries).map(([target, entry]) => [target, afterAttempts(entry, by, fences.get(target) ?? null)]),
  );
}

/** Asks for new verifications and waits for the rows of all coordinators; a row that does not answer is marked. */
async function askCoordinators(
  store: Store,
  nodes: readonly NodeView[],
  only: string | null,
  everywhere: boolean,
): Promise<Row[]> {
  const coordinators = nodes.filter((node) => node.role === 'coordinator' && node.state !== 'stop');
  const request: VerifyRequest = { schema: 1, kind: 'verify', node: only, everywhere, by: requester() };
  const made = await store.create(`${tree.requests}/r-`, printRecord(request), 'ephemeral-sequential');
  if (!made.ok) throw new CommandError(exitCodes.unreachable, made.because);
  const id = made.path.slice(tree.requests.length + 1);
  const targets = nodes.filter(({ name }) => only === null || name === only);
  const endMs = performance.now() + waitMs + targets.length * perNodeMs;
  const living = new Set(coordinators.filter((node) => node.state === 'run' && node.session).map((node) => node.name));
  const answered = new Map<string, Row>();
  for (;;) {
    const open = coordinators.filter(({ name }) => !answered.has(name));
    for (const row of await Promise.all(open.map(({ name }) => readRow(store, name, id, targets))))
      if (row.fresh) answered.set(row.by, row);
    const isWaiting = open.some(({ name }) => living.has(name) && !answered.has(name));
    if (!isWaiting || performance.now() > endMs) {
      await store.remove(made.path, 0);
      return coordinators.map(({ name }) => answered.get(name) ?? { by: name, fresh: false, entries: {} });
    }
    await pause(100);
  }
}

/** A row is fresh when its head names the request: what belongs to the answer was written before. */
async function readRow(store: Store, by: string, id: string, targets: readonly NodeView[]): Promise<Row> {
  const read = await store.read(tree.verification(by));
  const head = read.ok && read.text !== '' ? parseRecord(VerificationHead, read.text) : null;
  if (head?.ok !== true || head.record.answers !== id) return { by, fresh: false, entries: {} };
  const row = await readVerifications(
    store,
    by,
    targets.map(({ name }) => name),
  );
  const entries = Object.entries(row.entries).filter(([, entry]) => isAnswer(entry, id));
  return { by, fresh: true, entries: Object.fromEntries(entries) };
}

/** What was verified before the request is left out: it is no task of that coordinator any more. Ids grow, of one length. */
function isAnswer({ answers }: VerificationEntry, id: string): boolean {
  return answers === undefined || (answers !== null && answers >= id);
}

type Covered = ReturnType<typeof coverage>;

/** What is told below the matrix. */
interface Told {
  readonly weak: readonly string[];
  readonly known: Distrusted;
  readonly fences: Fences;
  /** What was looked at: a node, or every node. */
  readonly checked: string;
}

function printMatrix(
  rows: readonly Row[],
  targets: readonly NodeView[],
  covered: Covered,
  { weak, known, fences, checked }: Told,
  ok: boolean,
  output: Output,
): void {
  const cell = (row: Row, target: string) => {
    const entry = row.entries[target];
    if (!row.fresh) return output.paint('dim', '?');
    if (entry === undefined) return output.paint('dim', '-');
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
    const verified = by.flatMap((name) => rows.find((row) => row.by === name)?.entries[node]?.wallMs ?? []);
    const age = verified.length === 0 ? '' : ` (verified ${ago(Math.min(...verified), Date.now())})`;
    output.line(enough ? `ok    ${count}${age}` : output.paint('red', `FAIL  ${count}${age}; needed: ${needed}`));
  }
  for (const row of rows.filter((candidate) => !candidate.fresh)) {
    output.line(output.paint('yellow', `!     ${row.by} did not answer: nothing is proved from there`));
  }
  if (rows.some((row) => row.fresh && targets.some(({ name }) => row.entries[name] === undefined)))
    output.line(
      output.paint(
        'dim',
        '-     not verified from there: its observers and their stand-ins do it; --all asks every coordinator',
      ),
    );
  for (const [name, found] of known)
    for (const one of found)
      output.line(output.paint('yellow', `!     ${distrustInWords(name, one)}; ${distrustAdvice(name, one)}`));
  for (const [name, fence] of fences)
    for (const line of failedInFence(name, fence, rows)) output.line(output.paint('yellow', `!     ${line}`));
  for (const line of reasons(rows, targets, known)) output.line(output.paint('yellow', `!     ${line}`));
  for (const line of weak) output.line(output.paint('yellow', `weak  ${line}`));
  output.line();
  output.line(
    ok
      ? output.paint('green', `${checked} can be fenced`)
      : covered.every((entry) => entry.enough)
        ? output.paint('red', `${checked} can be fenced now, but a single failure would end that: see above`)
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

/** What was tried of a fence that is under way, and failed: a verification sends no power command, so it may hold all the same. */
function failedInFence(name: string, fence: FenceRecord | null, rows: readonly Row[]): string[] {
  if (fence === null || !isUnderWay(fence.state)) return [];
  return rows.flatMap(({ by, entries }) =>
    (entries[name]?.levels ?? []).flatMap(({ level }) => {
      const attempted = attemptedOf(fence, { level, by });
      const tried = attempted === null ? '' : attemptedInWords(attempted, Date.now());
      return tried === '' ? [] : [`${name}: a fence is under way: level ${level} by ${by}: ${tried}`];
    }),
  );
}

/** Each reason once, with who saw it; a distrusted device is told by itself. */
function reasons(rows: readonly Row[], targets: readonly NodeView[], known: Distrusted): string[] {
  const seen = new Map<string, string[]>();
  for (const row of rows.filter((candidate) => candidate.fresh)) {
    for (const target of targets) {
      const entry = row.entries[target.name];
      if (entry === undefined || (entry.canFence && entry.fault === null)) continue;
      if (entry.fault !== null && entry.fault in deviceFaults && known.get(target.name)?.length !== 0) continue;
      const since = `, since ${clockTime(entry.sinceWallMs).slice(0, 19)}`;
      const sentence = `${target.name}: ${entry.because}${entry.advice === null ? '' : `; ${entry.advice}`}${since}`;
      seen.set(sentence, [...(seen.get(sentence) ?? []), row.by]);
    }
  }
  return [...seen].map(([sentence, by]) => `${sentence} (seen from ${by.join(', ')})`);
}
