/**
 * The instant before a power-off command (S3): the node's keepalive is read once more, and that the command is about to be sent
 * is recorded in one transaction that checks that keepalive's version. A node that has published since its verdict is not
 * switched off as long as no command was sent, or none was taken.
 */
import type { Operation } from '../../environment/store.ts';
import type { PowerReading } from '../../environment/power.ts';
import type { FenceDevice } from '../../records/device.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import { readSign } from './life-sign.ts';

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
  unanswered: readonly string[],
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
    if (sign.incarnation !== record.incarnation || sign.sequence !== record.sequence)
      return {
        answer: 'alive',
        because: `keepalives of ${target} resumed before a device took a power-off command: fence cancelled, nothing was recovered`,
      };
    version = sign.version;
  }
  if (record.touched) return { answer: 'go' };
  const also: Operation[] = version === null ? [] : [{ kind: 'check', path: tree.keepalive(target), version }];
  // Whoever asked for it has not left in this very moment.
  if (request !== null && isUntouched) also.push(request);
  // Whoever goes on with this fence knows then which devices may have just restarted.
  const changes = {
    touched: true,
    unanswered: [...new Set([...record.unanswered, ...unanswered])].slice(-unansweredMax),
  };
  const moved = await file.move('powerTouched', changes, also);
  if (moved.ok) return { answer: 'go' };
  return { answer: file.lockStands() && file.record.state === 'intent' ? 'wait' : 'lost' };
}

/** That the request of an operator still stands, as a part of a transaction; null: there is none (any more). */
async function requestOf(
  { env }: Context,
  id: string | null,
): Promise<Extract<Operation, { kind: 'check' }> | null | 'unknown'> {
  if (id === null) return null;
  const path = `${tree.requests}/${id}`;
  const read = await env.store.read(path);
  if (read.ok) return { kind: 'check', path, version: read.version };
  return read.code === 'no-node' ? null : 'unknown';
}

/**
 * A device that does not answer may be restarting, and reports off afterwards: whoever goes on with this fence has to know, also when this
 * fencer dies before it has sent anything.
 */
export async function recordSilence(file: FenceFile, unanswered: readonly string[]): Promise<void> {
  const all = new Set([...file.record.unanswered, ...unanswered]);
  if (all.size > file.record.unanswered.length)
    await file.move('deviceSilent', { unanswered: [...all].slice(-unansweredMax) });
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

/** Reads a device; its silence is remembered. */
export async function readTimed({ env, devices }: Context, device: FenceDevice): Promise<TimedReading> {
  const begunMs = env.clock.monotonicMs();
  const reading = await env.power.read(device, device.commandTimeoutMs);
  devices.heard(device, reading.fault, reading.power);
  return { ...reading, begunMs };
}
