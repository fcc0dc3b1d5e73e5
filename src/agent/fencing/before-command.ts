/**
 * The instant before a power-off command (S3): the node's keepalive is read once more, and that the command is about to be sent
 * is recorded in one transaction that checks that keepalive's version. A node that has published since its verdict is not
 * switched off as long as no command was sent, or none was taken.
 */
import type { Operation } from '../../environment/store.ts';
import type { PowerReading } from '../../environment/power.ts';
import type { FenceDevice } from '../../records/device.ts';
import { parseRecord } from '../../records/record.ts';
import { OperatorRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import { isSameSign, readSign, stoppedAndOrderedOff } from './life-sign.ts';

/** Places of devices that may have restarted: what did not answer, and what refused an order. */
export interface Suspects {
  readonly unanswered: readonly string[];
  readonly refused: readonly string[];
}

/** As many devices as a node may have. */
export const unansweredMax = 17;

/** go: send it · wait: the keepalive cannot be read, look again · alive: the fence is to be cancelled · lost: the fence is not ours. */
export type Touched =
  { readonly answer: 'go' | 'wait' | 'lost' } | { readonly answer: 'alive'; readonly because: string };

/**
 * `isUntouched`: no command was taken so far, so that the node may still be let live. An operator's own request is carried out on a
 * living node too, in its first round, and only while its operator waits for it.
 */
export async function touch(
  context: Context,
  target: string,
  file: FenceFile,
  isUntouched: boolean,
  suspects: Suspects,
): Promise<Touched> {
  const { record } = file;
  const request = record.rounds === 0 ? await requestOf(context, record.requestId) : null;
  if (request === 'unknown') return { answer: 'wait' };
  const isCommandedAlive = request !== null;
  let version: number | null = null;
  if (isUntouched && !isCommandedAlive) {
    const sign = await readSign(context, target);
    if (sign === null) return { answer: 'wait' };
    // Neither a sign of life nor one of death.
    if (sign.version !== null && sign.incarnation === null) return { answer: 'wait' };
    if (!isSameSign(record, sign) && !stoppedAndOrderedOff(record, sign))
      return {
        answer: 'alive',
        because: `keepalives of ${target} resumed before a device took a power-off command: fence cancelled, nothing was recovered`,
      };
    version = sign.version;
  }
  const also: Operation[] = version === null ? [] : [{ kind: 'check', path: tree.keepalive(target), version }];
  // Whoever asked for it has not left in this very moment.
  if (request !== null && isUntouched) also.push(request);
  if (record.touched) return stillStands(context, file, also);
  // Whoever goes on with this fence knows then which devices may have just restarted.
  const changes = { touched: true, commanded: true, ...withSuspects(record, suspects) };
  const moved = await file.move('powerTouched', changes, also);
  // What was checked by a write whose answer was lost was checked then: it is looked at again.
  if (moved.ok) return { answer: moved.isReadBack ? 'wait' : 'go' };
  return { answer: file.lockStands() && file.record.state === 'intent' ? 'wait' : 'lost' };
}

/**
 * An order that follows others is one of this fence only while its record stands as it was written: it may be garbage by now, or moved by
 * somebody else, and then no record says any more that this node is to be switched off (S3, S11).
 */
async function stillStands({ env }: Context, file: FenceFile, also: readonly Operation[]): Promise<Touched> {
  const isRefuted = (code: string) => code === 'bad-version' || code === 'no-node';
  const all = await env.store.commit([...file.stands(), ...also]);
  if (all.ok) return { answer: 'go' };
  if (!isRefuted(all.code)) return { answer: 'wait' };
  if (also.length === 0) return { answer: 'lost' };
  // A keepalive may have come, or the request may be gone: the next look tells.
  const own = await env.store.commit(file.stands());
  return { answer: own.ok || !isRefuted(own.code) ? 'wait' : 'lost' };
}

/** That an operator's request to fence still stands, as a part of a transaction; null: there is none (any more). A word asks for no command. */
async function requestOf(
  { env }: Context,
  id: string | null,
): Promise<Extract<Operation, { kind: 'check' }> | null | 'unknown'> {
  if (id === null) return null;
  const path = `${tree.requests}/${id}`;
  const read = await env.store.read(path);
  const parsed = read.ok ? parseRecord(OperatorRequest, read.text) : null;
  if (read.ok)
    return parsed?.ok === true && parsed.record.kind === 'fence'
      ? { kind: 'check', path, version: read.version }
      : null;
  return read.code === 'no-node' ? null : 'unknown';
}

/**
 * A device that does not answer may be restarting, one that refuses an order may just have restarted, and reports off then: whoever goes
 * on with this fence has to know, also when this fencer dies before it has sent anything.
 */
export async function recordSilence(file: FenceFile, suspects: Suspects): Promise<void> {
  const { unanswered, refused } = file.record;
  const all = withSuspects(file.record, suspects);
  if (all.unanswered.length > unanswered.length || all.refused.length > refused.length)
    await file.move('deviceSilent', all);
}

function withSuspects(record: Suspects, more: Suspects): { unanswered: string[]; refused: string[] } {
  const both = (kind: keyof Suspects) => [...new Set([...record[kind], ...more[kind]])].slice(-unansweredMax);
  return { unanswered: both('unanswered'), refused: both('refused') };
}

/** In the very instant before the order: the session lives, its last acknowledged write is fresh, we were not paused. */
export function mayShoot(context: Context, file: FenceFile): boolean {
  const { env, config, board } = context;
  const age = contactAgeMs(context);
  return (
    env.store.session().state === 'connected' &&
    file.lockStands() &&
    age !== null &&
    age <= config.timing.contactMaxMs &&
    board.lateMs <= config.keepalive.interval
  );
}

/** A reading with the moment (own monotonic clock) at which it was begun. */
export type TimedReading = PowerReading & { readonly begunMs: number };

/** Reads a device; its silence is remembered, and counts for others that ask while the question is open. */
export async function readTimed({ env, devices }: Context, device: FenceDevice): Promise<TimedReading> {
  const begunMs = env.clock.monotonicMs();
  const ended = devices.asks(device);
  const reading = await env.power.read(device, device.commandTimeoutMs).finally(ended);
  devices.heard(device, reading.fault, reading.power);
  return { ...reading, begunMs };
}
