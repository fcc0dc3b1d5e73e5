/** Asks for a transfer of the primary role and follows it through the store: any surviving coordinator may carry it on. */
import { inTheWay, isOver } from '../core/transfer.ts';
import type { Store } from '../environment/store.ts';
import { Keepalive } from '../records/keepalive.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { TransferRecord } from '../records/transfer.ts';
import { tree } from '../records/tree.ts';
import type { ClusterView } from './cluster-view.ts';
import { pause, requester } from './connect.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { Output } from './output.ts';
import { clockTime } from './output.ts';

export interface Asked {
  /** Null: the best candidate. */
  readonly to: string | null;
  readonly reason: string;
  readonly withinMs: number;
}

/** Everything that stands in the way right now; empty: nothing. */
export async function hindrances(store: Store, view: ClusterView, to: string | null): Promise<string[]> {
  const open = await openTransfer(store);
  return inTheWay({
    holder: view.primary.holder,
    recordState: view.primary.state,
    target: to,
    nodes: view.nodes.map(({ name, ineligible }) => ({ name, hindrance: ineligible })),
    epochSeen: null,
    epoch: view.primary.epoch,
    blocked: view.primary.blocked,
    underWay: open,
  });
}

/** Writes the request; returns its id. Throws (exit 4) with everything that is in the way. */
export async function askForTransfer(store: Store, view: ClusterView, asked: Asked): Promise<string> {
  const found = await hindrances(store, view, asked.to);
  if (found.length > 0)
    throw new CommandError(exitCodes.refused, `refused, nothing was touched:\n  ${found.join('\n  ')}`);
  const from = view.primary.holder ?? '';
  const read = await store.read(tree.keepalive(from));
  const keepalive = read.ok ? parseRecord(Keepalive, read.text) : null;
  if (keepalive?.ok !== true) throw new CommandError(exitCodes.failed, `the keepalive of ${from} cannot be read`);
  const record: TransferRecord = {
    schema: 1,
    state: 'asked',
    from,
    fromIncarnation: keepalive.record.incarnation,
    to: asked.to,
    toIncarnation: null,
    by: requester(),
    reason: asked.reason === '' ? `asked for by ${requester()}` : asked.reason,
    epoch: view.primary.epoch,
    sequenceSeen: keepalive.record.sequence,
    goodForMs: Math.round(asked.withinMs),
    mayReturn: true,
    steps: [],
    stoppedForMs: {},
    awayMs: {},
  };
  const made = await store.create(`${tree.transfers}/t-`, printRecord(record), 'persistent-sequential');
  if (!made.ok) throw new CommandError(exitCodes.unreachable, made.because);
  return made.path.slice(tree.transfers.length + 1);
}

/** Prints each step as it is made; returns the finished record. Throws: exit 4 refused, 1 failed, 5 not over in time. */
export async function followTransfer(
  store: Store,
  id: string,
  withinMs: number,
  output: Output | null,
): Promise<TransferRecord> {
  const endMs = performance.now() + withinMs;
  let printed = 0;
  for (;;) {
    const read = await store.read(tree.transfer(id));
    const parsed = read.ok ? parseRecord(TransferRecord, read.text) : null;
    if (read.ok && parsed?.ok === true) {
      const { record } = parsed;
      for (const step of record.steps.slice(printed))
        output?.line(`${clockTime(step.wallMs)}  ${step.by.padEnd(10)} ${step.what.padEnd(12)} ${step.because}`);
      printed = record.steps.length;
      if (isOver(record.state)) return finished(id, record);
      if (performance.now() > endMs) {
        if (record.state === 'asked') await takeBack(store, id, record, read.version);
        throw new CommandError(
          exitCodes.timedOut,
          `${id} is in "${record.state}" and goes on; see: nodectl primary status`,
        );
      }
    } else if (performance.now() > endMs)
      throw new CommandError(
        exitCodes.timedOut,
        `${id} cannot be read: ${read.ok ? 'its record is spoilt' : read.because}`,
      );
    await pause(50);
  }
}

function finished(id: string, record: TransferRecord): TransferRecord {
  if (record.state === 'done') return record;
  const because = record.steps.at(-1)?.because ?? '';
  if (record.state === 'refused') throw new CommandError(exitCodes.refused, `refused, nothing was touched: ${because}`);
  throw new CommandError(exitCodes.failed, `${id} did not come about: ${because}`);
}

/** Nobody has taken it up: it must not be carried out later. */
async function takeBack(store: Store, id: string, record: TransferRecord, version: number): Promise<void> {
  const because = 'nobody took it up in time; its requester took it back';
  const step = { wallMs: Date.now(), by: requester(), what: 'failed', because };
  const taken = await store.write(
    tree.transfer(id),
    printRecord({ ...record, state: 'failed', steps: [...record.steps, step] }),
    version,
  );
  if (taken.ok) throw new CommandError(exitCodes.timedOut, `${because}; does the primary's noded run? nodectl status`);
}

/** The id of a transfer that is under way; null: none. */
async function openTransfer(store: Store): Promise<string | null> {
  for (const { id, record } of await readTransfers(store)) if (!isOver(record.state)) return id;
  return null;
}

/** Every transfer that the store still knows, oldest first. */
export async function readTransfers(store: Store): Promise<{ id: string; record: TransferRecord }[]> {
  const listed = await store.list(tree.transfers);
  if (!listed.ok) return [];
  const read = await Promise.all(listed.names.map(async (id) => ({ id, value: await store.read(tree.transfer(id)) })));
  return read.flatMap(({ id, value }) => {
    const parsed = value.ok ? parseRecord(TransferRecord, value.text) : null;
    return parsed?.ok === true ? [{ id, record: parsed.record }] : [];
  });
}
