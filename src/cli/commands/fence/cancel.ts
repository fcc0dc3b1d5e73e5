/**
 * nodectl fence cancel NODE: ends a fence that is under way, as long as no device can have taken a power-off command
 * (core/fence-cancel.ts). One transaction by the versions of record and ledger: a fencer that is about to send a command and a
 * cancellation exclude each other.
 */
import type { CancelFacts } from '../../../core/fence-cancel.ts';
import { cancelRefusal, insteadOfCancel } from '../../../core/fence-cancel.ts';
import { isUnderWay } from '../../../core/fencing.ts';
import type { Store } from '../../../environment/store.ts';
import { FenceLedger, FenceRecord, cancelledBy, emptyLedger, entered } from '../../../records/fence.ts';
import { Keepalive } from '../../../records/keepalive.ts';
import { parseRecord, printRecord } from '../../../records/record.ts';
import { OperatorRequest } from '../../../records/request.ts';
import { tree } from '../../../records/tree.ts';
import { auditEntry } from '../../audit.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { pause, requester, withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { findNode } from '../node.ts';

/** Tries against a fence that moves at the same moment. */
const triesMax = 5;
/** Who lives publishes within so many beats. */
const beatsWatched = 1.5;

export const cancel: Command = {
  usage: 'cancel <node>',
  describe:
    'Cancel a fence that is under way, before a device takes a power-off command. Exit 4: a command may have been taken; "nodectl maintenance on --node" stops further attempts. A node that is silent is declared dead and fenced again.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: { reason: { type: 'string', default: '', describe: 'why, for the record' }, ...jsonOption },
  examples: [
    [
      'nodectl fence cancel node2 --reason "it was the wrong node"',
      'where "nodectl fence" or "nodectl explain" names it',
    ],
  ],
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const { nodes } = await readCluster(store, config);
      const { name } = findNode(nodes, text(args, 'node') ?? '');
      const done = await cancelFence(store, name, text(args, 'reason') ?? '');
      if (flag(args, 'json')) output.json({ node: name, cancelled: done !== null, fence: done?.record ?? null });
      else {
        if (done === null) output.line(`no fence of ${name} is under way`);
        else
          output.line(
            done.publishes
              ? `the fence of ${name} is cancelled; ${name} publishes keepalives and stays on`
              : `the fence of ${name} is cancelled. ${name} publishes no keepalives: it is fenced again when it is declared dead. To prevent that: nodectl maintenance on --node ${name}`,
          );
        for (const by of await othersWho(store, name, done?.record.requestId ?? null))
          output.line(
            output.paint(
              'yellow',
              `! ${by} waits for a fence of ${name}: it begins now. To prevent that: Ctrl-C there`,
            ),
          );
      }
      return exitCodes.done;
    }),
};

/** Operators whose own request for a fence of the node waits. */
async function othersWho(store: Store, node: string, cancelledId: string | null): Promise<string[]> {
  const listed = await store.list(tree.requests);
  const found = await Promise.all(
    (listed.ok ? listed.names : [])
      .filter((id) => id !== cancelledId)
      .map(async (id) => {
        const read = await store.read(`${tree.requests}/${id}`);
        const parsed = read.ok ? parseRecord(OperatorRequest, read.text) : null;
        return parsed?.ok === true ? [parsed.record] : [];
      }),
  );
  return found.flatMap(([one]) => (one?.kind === 'fence' && one.node === node && one.refusal === null ? [one.by] : []));
}

interface Cancelled {
  readonly record: FenceRecord;
  readonly publishes: boolean;
}

/** Null: no fence is under way. */
async function cancelFence(store: Store, node: string, reason: string): Promise<Cancelled | null> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const fence = await store.read(tree.fence(node));
    if (!fence.ok && fence.code !== 'no-node') throw new CommandError(exitCodes.unreachable, fence.because);
    if (!fence.ok || fence.text === '') return null;
    const parsed = parseRecord(FenceRecord, fence.text);
    if (!parsed.ok)
      throw new CommandError(exitCodes.failed, `${tree.fence(node)} cannot be read: ${parsed.because}; not cancelled`);
    const { record } = parsed;
    if (!isUnderWay(record.state)) return null;
    const facts: CancelFacts = { ...record, publishes: false };
    // Watched only where it matters, so that an attempt that is about to send its command is not waited for.
    const needsWatching = record.state === 'failed' || cancelRefusal(facts) !== null;
    const publishes = needsWatching && (await isPublishing(store, node));
    const refusal = cancelRefusal({ ...facts, publishes });
    if (refusal !== null)
      throw new CommandError(
        exitCodes.refused,
        `the fence of ${node} is not cancelled: ${refusal}. ${insteadOfCancel(record)}`,
      );
    const by = requester();
    const because = `${by} cancelled it${reason === '' ? '' : `: ${reason}`}; nothing of ${node} was recovered`;
    const next = cancelledBy(record, by, because, Date.now());
    if (next === null) return null;
    const done = await write(store, node, next, fence.version, because);
    if (done === 'written') return { record: next, publishes: publishes || (await isPublishing(store, node)) };
  }
  throw new CommandError(
    exitCodes.failed,
    `the fence of ${node} is not cancelled: its record changes all the time; try again`,
  );
}

/** `again`: something moved meanwhile, or the answer was lost: look at it as it is now. */
async function write(
  store: Store,
  node: string,
  next: FenceRecord,
  version: number,
  because: string,
): Promise<'written' | 'again'> {
  const ledger = await store.read(tree.fencing);
  if (!ledger.ok) throw new CommandError(exitCodes.unreachable, ledger.because);
  const parsed = ledger.text === '' ? null : parseRecord(FenceLedger, ledger.text);
  if (parsed?.ok === false) return 'again'; // a coordinator writes it again
  const entries = parsed?.record ?? emptyLedger;
  const done = await store.commit([
    { kind: 'write', path: tree.fence(node), text: printRecord(next), version },
    { kind: 'write', path: tree.fencing, text: printRecord(entered(entries, node, next)), version: ledger.version },
    auditEntry(`the fence of ${node}: ${because}`, node),
  ]);
  if (done.ok) return 'written';
  if (done.code === 'bad-version') return 'again';
  if (done.code !== 'unclear') throw new CommandError(exitCodes.unreachable, `not cancelled: ${done.because}`);
  const now = await store.read(tree.fence(node));
  return now.ok && now.text === printRecord(next) ? 'written' : 'again';
}

async function isPublishing(store: Store, node: string): Promise<boolean> {
  const sign = async () => {
    const read = await store.read(tree.keepalive(node));
    const parsed = read.ok ? parseRecord(Keepalive, read.text) : null;
    return parsed?.ok === true ? parsed.record : null;
  };
  const before = await sign();
  if (before === null) return false;
  await pause(Math.round(before.intervalMs * beatsWatched));
  const after = await sign();
  return after !== null && (after.incarnation !== before.incarnation || after.sequence !== before.sequence);
}
