/** What an operator asks of the coordinators: put, followed to its outcome, taken back when nobody takes it. */
import { isConfirmedOff } from '../../../core/fencing.ts';
import { alreadyFenced } from '../../../core/guards.ts';
import type { Config } from '../../../config/load.ts';
import type { Store } from '../../../environment/store.ts';
import { FenceRecord } from '../../../records/fence.ts';
import { parseRecord, printRecord } from '../../../records/record.ts';
import type { ConfirmRequest } from '../../../records/request.ts';
import { FenceRequest, OperatorRequest } from '../../../records/request.ts';
import { tree } from '../../../records/tree.ts';
import type { Connected } from '../../connect.ts';
import { pause } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { clockTime } from '../../output.ts';

/** How long a coordinator may take to pick a request up. */
const pickUpMs = 15_000;

/** Puts the request and follows it. Ctrl-C or a crash of this command takes the request back, unless it was begun. */
export async function askAndFollow(
  { store, config }: Connected,
  request: FenceRequest | ConfirmRequest,
  withinMs: number,
  json: boolean,
  output: Output,
): Promise<number> {
  const { node } = request;
  const made = await store.create(`${tree.requests}/r-`, printRecord(request), 'ephemeral-sequential');
  if (!made.ok) throw new CommandError(exitCodes.unreachable, made.because);
  const id = made.path.slice(tree.requests.length + 1);
  const record = await follow(store, config, node, id, made.path, withinMs, json ? null : output);
  if (json) output.json(record);
  if (record.state === 'failed' || record.state === 'cancelled')
    throw new CommandError(exitCodes.failed, `${node} could not be fenced: ${record.steps.at(-1)?.because ?? ''}`);
  if (!json) output.line(output.paint('green', `${node}: fenced, ${record.state}`));
  return exitCodes.done;
}

export async function readRecord(store: Store, name: string): Promise<FenceRecord | null> {
  const read = await store.read(tree.fence(name));
  const parsed = read.ok && read.text !== '' ? parseRecord(FenceRecord, read.text) : null;
  return parsed?.ok === true ? parsed.record : null;
}

async function follow(
  store: Store,
  config: Config,
  name: string,
  id: string,
  path: string,
  withinMs: number,
  output: Output | null,
): Promise<FenceRecord> {
  const startMs = performance.now();
  let printed = 0;
  for (;;) {
    const record = await readRecord(store, name);
    const waitedMs = performance.now() - startMs;
    if (record?.requestId === id) {
      for (const step of record.steps.slice(printed))
        output?.line(`${clockTime(step.wallMs)}  ${step.by}: ${step.what}: ${step.because}`);
      printed = record.steps.length;
      const settled =
        record.state === 'failed' ||
        record.state === 'cancelled' ||
        (isConfirmedOff(record.state) && (record.state === 'finished' || record.state === 'closed'));
      if (settled) return record;
      if (waitedMs > withinMs)
        throw new CommandError(
          exitCodes.timedOut,
          `${name}: the fence goes on, its state is "${record.state}"; see: nodectl fence history ${name}`,
        );
    } else {
      // A fence of that node that is under way anyway is waited for: it may be what was asked for.
      const isGoingOn = record?.state === 'intent' || record?.state === 'fenced' || record?.state === 'restoring';
      const pickUp = Math.min(withinMs, Math.max(pickUpMs, 3 * config.keepalive.interval));
      const done = await throwIfRefused(store, path, waitedMs, isGoingOn ? withinMs : pickUp);
      if (done !== null) output?.line(done);
      if (done !== null && record !== null) return record;
    }
    await pause(100);
  }
}

/** The sentence: another fence has done it. Null: not begun yet. Throws: refused by a guard, or nobody there to carry it out (then the request is taken back first). */
async function throwIfRefused(store: Store, path: string, waitedMs: number, limitMs: number): Promise<string | null> {
  const own = await store.read(path);
  const request = own.ok ? parseRecord(OperatorRequest, own.text) : null;
  if (request?.ok === true && request.record.kind !== 'verify' && request.record.refusal !== null) {
    const { guard, because, by } = request.record.refusal;
    if (guard === alreadyFenced) return because;
    throw new CommandError(exitCodes.refused, `refused by ${by}: guard "${guard}": ${because}`);
  }
  if (waitedMs <= limitMs || !own.ok) return null;
  await store.remove(path, own.version);
  throw new CommandError(
    exitCodes.timedOut,
    `no coordinator took the request within ${Math.round(limitMs / 1000)} s; it was taken back. Does any noded run?`,
  );
}
