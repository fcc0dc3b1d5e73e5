/** What an operator asks of the coordinators: put, followed to its outcome (follow.ts), taken back when nobody takes it. */
import { isConfirmedOff, isUnderWay } from '../../../core/fencing.ts';
import type { FenceRecord } from '../../../records/fence.ts';
import { printRecord } from '../../../records/record.ts';
import type { ConfirmRequest, FenceRequest } from '../../../records/request.ts';
import { tree } from '../../../records/tree.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Connected } from '../../connect.ts';
import { pause } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { leftOff } from '../../left-off.ts';
import type { Output } from '../../output.ts';
import { Follower, underWay } from './follow.ts';
import { nextInWords } from './next-try.ts';
import { readRecord } from './read-fence.ts';

/** A fence without a waiting operator is cancelled this soon after keepalives resumed. */
const cancelledMs = 5000;

/**
 * Puts the request and follows it. Ctrl-C or a crash of this command takes the request back: what was not begun is not begun, and a fence
 * that was begun ends with its attempt if the node lives.
 */
export async function askAndFollow(
  connected: Connected,
  request: FenceRequest | ConfirmRequest,
  withinMs: number,
  json: boolean,
  output: Output,
): Promise<number> {
  const { store } = connected;
  const { node } = request;
  const made = await store.create(`${tree.requests}/r-`, printRecord(request), 'ephemeral-sequential');
  if (!made.ok) throw new CommandError(exitCodes.unreachable, made.because);
  const follower = new Follower(connected, request, made.path, json ? null : output);
  // withStore ends the command; what becomes of the request is said before.
  const interrupted = () => void process.stderr.write(`nodectl: interrupted: ${follower.interrupted()}\n`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted);
  const record = await outcome(connected, follower, made.path, withinMs).finally(() => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted);
  });
  if (json) output.json(record);
  if (record.state === 'failed') {
    const next = nextInWords(await readCluster(store, connected.config), connected.config, record, Date.now());
    throw new CommandError(exitCodes.failed, `${node} is not fenced yet: ${failureOf(record)}. ${next}`);
  }
  if (record.state === 'cancelled') {
    const failed = failureOf(record);
    const because = record.steps.at(-1)?.because ?? '';
    throw new CommandError(
      exitCodes.failed,
      `${node} is not fenced, and it is not tried again: ${failed === '' ? because : `${failed}; ${because}`}`,
    );
  }
  if (!isConfirmedOff(record.state))
    throw new CommandError(exitCodes.failed, `${node} is not fenced yet: ${failureOf(record)}. ${underWay(record)}`);
  const left = leftOff(record);
  if (left !== null) throw new CommandError(left.isHeld ? exitCodes.refused : exitCodes.failed, left.sentence);
  if (!json) output.line(output.paint('green', `${node}: fenced, ${record.state}`));
  return exitCodes.done;
}

async function outcome(connected: Connected, follower: Follower, path: string, withinMs: number): Promise<FenceRecord> {
  for (;;) {
    const record = await follower.follow(withinMs);
    if (record.state !== 'failed') return record;
    const left = await withoutUs(connected, path, record);
    if (left !== null) return left;
  }
}

/**
 * Everything was tried once, and this command ends: what becomes of the fence when its operator waits no more. Null: another fence
 * of the node has begun (another operator's).
 */
async function withoutUs({ store, config }: Connected, path: string, failed: FenceRecord): Promise<FenceRecord | null> {
  const own = await store.read(path);
  if (own.ok) await store.remove(path, own.version);
  const { nodes } = await readCluster(store, config);
  const ageMs = nodes.find(({ name }) => name === failed.target)?.keepaliveAgeMs ?? Infinity;
  const waitMs = ageMs > 2 * config.keepalive.interval ? 0 : Math.max(cancelledMs, 4 * config.keepalive.interval);
  const endMs = performance.now() + waitMs;
  for (;;) {
    const now = (await readRecord(store, failed.target)) ?? failed;
    if (now.id !== failed.id) return null;
    if (!isUnderWay(now.state)) return now;
    if (performance.now() >= endMs) return waitMs === 0 ? failed : now;
    await pause(100);
  }
}

/** Why the last attempt failed; empty: none has. */
function failureOf({ steps }: FenceRecord): string {
  return steps.findLast(({ what }) => what === 'attempt failed')?.because ?? '';
}
