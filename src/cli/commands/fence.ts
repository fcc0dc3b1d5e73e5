/** nodectl fence NODE, and fence history. */
import { isConfirmedOff } from '../../core/fencing.ts';
import type { Config } from '../../config/load.ts';
import type { Store } from '../../environment/store.ts';
import { FenceRecord } from '../../records/fence.ts';
import type { FenceDevice } from '../../records/device.ts';
import { SealedDevices } from '../../records/device.ts';
import { Registration } from '../../records/registration.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { FenceRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import { realPower } from '../../real/power/power.ts';
import type { ClusterKey } from '../../real/secrets.ts';
import { readCluster } from '../cluster-view.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import { confirmName } from '../confirm.ts';
import type { Connected } from '../connect.ts';
import { pause, requester, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { clockTime } from '../output.ts';
import { readFenceHistory } from './fence-history.ts';
import { findNode } from './node.ts';

const actions = ['off', 'on', 'reboot', 'status'] as const;
/** How long a coordinator may take to pick a request up. */
const pickUpMs = 15_000;

const now: Command = {
  usage: '$0 <node>',
  describe: 'Fence a node now (a coordinator carries it out), power it on, or read its power.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: {
    action: { choices: actions, default: 'reboot', describe: 'off and reboot fence; on and status only use the BMC' },
    yes: { type: 'boolean', default: false, describe: 'do not ask' },
    reason: { type: 'string', default: '', describe: 'why, for the record' },
    timeout: { type: 'number', default: 120, describe: 'seconds to wait for the outcome' },
    ...jsonOption,
  },
  examples: [
    ['nodectl fence node2 --action status', 'what the BMC says about its power'],
    ['nodectl fence node2 --action reboot --yes --reason "kernel hangs"', 'power off, read as off, power on'],
  ],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const { nodes } = await readCluster(connected.store, connected.config);
      const { name } = findNode(nodes, text(args, 'node') ?? '');
      const action = text(args, 'action');
      if (action === 'status') return readPower(connected, name, flag(args, 'json'), output);
      if (action === 'on') return powerOn(connected, name, output);
      const what = action === 'off' ? 'switch off' : 'power-cycle';
      await confirmName(args, name, `This will ${what} ${name}, whatever runs on it.`);
      const seconds = Number(args['timeout']);
      if (!(seconds > 0)) throw new CommandError(exitCodes.usage, '--timeout takes a number of seconds above 0');
      const fenceAction = action === 'off' ? 'off' : 'reboot';
      return requestFence(
        connected,
        { node: name, action: fenceAction, reason: text(args, 'reason') ?? '' },
        seconds * 1000,
        flag(args, 'json'),
        output,
      );
    }),
};

const history: Command = {
  usage: 'history [node]',
  describe: 'Show the fences that happened, newest first.',
  positionals: { node: { type: 'string', describe: 'only this node' } },
  options: jsonOption,
  run: (args, output) =>
    withStore(args, async ({ store }) => {
      const fences = await readFenceHistory(store, text(args, 'node') ?? null);
      if (flag(args, 'json')) output.json(fences);
      else if (fences.length === 0) output.line('no node was ever fenced');
      else {
        for (const fence of fences) {
          output.line(
            `${clockTime(fence.verdictAt)}  ${output.paint('bold', fence.node)} ${fence.outcome} by ${fence.by}: ${fence.reason}`,
          );
          for (const step of fence.steps)
            output.line(
              `    +${String(Math.round(step.at - fence.verdictAt)).padStart(6)} ms  ${step.by}: ${step.what}: ${step.because}`,
            );
        }
      }
      return exitCodes.done;
    }),
};

export const fence: Command = {
  usage: 'fence',
  describe: 'Fence a node now, or show the fences that happened.',
  commands: [history, now],
};

/** All devices of a node that can tell or switch its power. */
async function openNode(store: Store, key: ClusterKey, name: string): Promise<FenceDevice[]> {
  const read = await store.read(tree.node(name));
  const registration = read.ok ? parseRecord(Registration, read.text) : null;
  if (registration?.ok !== true) throw new CommandError(exitCodes.failed, `the registration of ${name} cannot be read`);
  if (registration.record.devicesSealed === null)
    throw new CommandError(exitCodes.failed, `${name} has no fence device configured`);
  const plain = key.open(registration.record.devicesSealed, `devices ${name}`);
  const parsed = plain === null ? null : parseRecord(SealedDevices, plain);
  if (parsed?.ok !== true)
    throw new CommandError(exitCodes.failed, `the devices of ${name} were sealed with another cluster key`);
  return parsed.record.devices;
}

async function readPower({ store, key }: Connected, name: string, json: boolean, output: Output): Promise<number> {
  const devices = await openNode(store, key, name);
  const power = realPower();
  const readings = await Promise.all(
    devices.map(async (device) => ({ device, reading: await power.read(device, device.commandTimeoutMs) })),
  );
  if (json)
    output.json(
      readings.map(({ device, reading: { tookMs, ...reading } }) => ({
        node: name,
        device: device.name,
        ...reading,
        tookMs: Math.round(tookMs),
      })),
    );
  else
    for (const { device, reading } of readings)
      output.line(
        `${name}: ${devices.length === 1 ? '' : `${device.name}: `}power ${reading.power}: ${reading.because} (${Math.round(reading.tookMs)} ms)`,
      );
  return readings.some(({ reading }) => reading.power === 'unknown') ? exitCodes.failed : exitCodes.done;
}

/** Power on is harmless, except in the middle of a fence that is about to read power as off. */
async function powerOn({ store, key }: Connected, name: string, output: Output): Promise<number> {
  const record = await readRecord(store, name);
  if (record?.state === 'intent') {
    throw new CommandError(
      exitCodes.refused,
      `${record.fencer} is fencing ${name} right now; power on after it is done`,
    );
  }
  const power = realPower();
  for (const device of await openNode(store, key, name)) {
    const answer = await power.order(device, 'on', device.commandTimeoutMs);
    if (!answer.accepted) throw new CommandError(exitCodes.failed, `${name}: ${device.name}: ${answer.because}`);
    const endMs = performance.now() + 30_000;
    for (;;) {
      const reading = await power.read(device, device.commandTimeoutMs);
      if (reading.power === 'on') break;
      if (performance.now() > endMs)
        throw new CommandError(
          exitCodes.timedOut,
          `${name}: ${device.name}: ordered on, but power reads ${reading.power}`,
        );
      await pause(300);
    }
  }
  output.line(`${name}: power reads on`);
  return exitCodes.done;
}

async function readRecord(store: Store, name: string): Promise<FenceRecord | null> {
  const read = await store.read(tree.fence(name));
  const parsed = read.ok && read.text !== '' ? parseRecord(FenceRecord, read.text) : null;
  return parsed?.ok === true ? parsed.record : null;
}

/** Puts the request and follows it. Ctrl-C or a crash of this command takes the request back, unless it was begun. */
async function requestFence(
  { store, config }: Connected,
  asked: { readonly node: string; readonly action: 'off' | 'reboot'; readonly reason: string },
  withinMs: number,
  json: boolean,
  output: Output,
): Promise<number> {
  const request: FenceRequest = { schema: 1, kind: 'fence', ...asked, by: requester(), refusal: null };
  const made = await store.create(`${tree.requests}/r-`, printRecord(request), 'ephemeral-sequential');
  if (!made.ok) throw new CommandError(exitCodes.unreachable, made.because);
  const id = made.path.slice(tree.requests.length + 1);
  const outcome = await follow(store, config, asked.node, id, made.path, withinMs, json ? null : output);
  if (json) output.json(outcome.record);
  if (outcome.record.state === 'failed' || outcome.record.state === 'cancelled')
    throw new CommandError(
      exitCodes.failed,
      `${asked.node} could not be fenced: ${outcome.record.steps.at(-1)?.because ?? ''}`,
    );
  if (!json) output.line(output.paint('green', `${asked.node}: fenced, ${outcome.record.state}`));
  return exitCodes.done;
}

async function follow(
  store: Store,
  config: Config,
  name: string,
  id: string,
  path: string,
  withinMs: number,
  output: Output | null,
): Promise<{ record: FenceRecord }> {
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
      if (settled) return { record };
      if (waitedMs > withinMs)
        throw new CommandError(
          exitCodes.timedOut,
          `${name}: the fence goes on, its state is "${record.state}"; see: nodectl fence history ${name}`,
        );
    } else
      await throwIfRefused(
        store,
        path,
        waitedMs,
        Math.min(withinMs, Math.max(pickUpMs, 3 * config.keepalive.interval)),
      );
    await pause(100);
  }
}

/** Not begun yet: refused by a guard, or nobody there to carry it out (then the request is taken back first). */
async function throwIfRefused(store: Store, path: string, waitedMs: number, limitMs: number): Promise<void> {
  const own = await store.read(path);
  const request = own.ok ? parseRecord(FenceRequest, own.text) : null;
  if (request?.ok === true && request.record.refusal !== null) {
    const { guard, because, by } = request.record.refusal;
    throw new CommandError(exitCodes.refused, `refused by ${by}: guard "${guard}": ${because}`);
  }
  if (waitedMs <= limitMs || !own.ok) return;
  await store.remove(path, own.version);
  throw new CommandError(
    exitCodes.timedOut,
    `no coordinator took the request within ${Math.round(limitMs / 1000)} s; it was taken back. Does any noded run?`,
  );
}
