/** Power of one node, read or switched on straight through its devices. Nothing is ever switched off from here. */
import { isAt, nothingKnown, sharedWith } from '../../../core/device-trust.ts';
import type { Store } from '../../../environment/store.ts';
import type { FenceDevice } from '../../../records/device.ts';
import { SealedDevices, sealContext, whereIs } from '../../../records/device.ts';
import { DeviceKnowledgeRecord } from '../../../records/device-knowledge.ts';
import { Registration } from '../../../records/registration.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import { realPower } from '../../../real/power/power.ts';
import type { KeyRing } from '../../../real/secrets.ts';
import type { ClusterView, NodeView } from '../../cluster-view.ts';
import type { Connected } from '../../connect.ts';
import { pause } from '../../connect.ts';
import { distrustAdvice, distrustInWords, distrustOf } from '../../distrust.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { readRecord } from './read-fence.ts';

/** All devices of a node that can tell or switch its power. */
async function openNode(store: Store, keys: KeyRing, name: string): Promise<FenceDevice[]> {
  const read = await store.read(tree.node(name));
  const registration = read.ok ? parseRecord(Registration, read.text) : null;
  if (registration?.ok !== true) throw new CommandError(exitCodes.failed, `the registration of ${name} cannot be read`);
  if (registration.record.devicesSealed === null)
    throw new CommandError(exitCodes.failed, `${name} has no fence device configured`);
  const plain = keys.open(registration.record.devicesSealed, sealContext(name));
  const parsed = plain === null ? null : parseRecord(SealedDevices, plain);
  if (parsed?.ok !== true)
    throw new CommandError(exitCodes.failed, `the devices of ${name} were sealed with another cluster key`);
  return parsed.record.devices;
}

/** Why a device may be another machine's; null: nothing says so. */
async function whoseDevice(store: Store, name: string, device: FenceDevice): Promise<string | null> {
  const listed = await store.list(tree.nodes);
  const registrations = await Promise.all(
    (listed.ok ? listed.names : []).map(async (node) => {
      const read = await store.read(tree.node(node));
      const parsed = read.ok ? parseRecord(Registration, read.text) : null;
      return parsed?.ok === true ? [parsed.record] : [];
    }),
  );
  const place = { device: device.name, where: whereIs(device) };
  const known = await store.read(tree.devices(name));
  const parsed = known.ok ? parseRecord(DeviceKnowledgeRecord, known.text) : null;
  const knowledge = parsed?.ok === true ? parsed.record : nothingKnown;
  const others = sharedWith(registrations.flat(), name, place);
  if (others.length > 0) return `${others.join(' and ')} also registered ${place.where}`;
  const foreign = knowledge.findings.find((one) => one.kind === 'other-machine' && isAt(one, place));
  return foreign === undefined ? null : foreign.because;
}

export async function readPower(
  { store, keys }: Connected,
  { nodes }: ClusterView,
  node: NodeView,
  json: boolean,
  output: Output,
): Promise<number> {
  const { name } = node;
  const devices = await openNode(store, keys, name);
  const distrust = distrustOf(nodes, node);
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
        distrusted: distrust.filter((one) => one.device === device.name),
      })),
    );
  else
    for (const { device, reading } of readings) {
      output.line(
        `${name}: ${devices.length === 1 ? '' : `${device.name}: `}power ${reading.power}: ${reading.because} (${Math.round(reading.tookMs)} ms)`,
      );
      for (const one of distrust.filter(({ device: of }) => of === device.name))
        output.line(output.paint('yellow', `! ${distrustInWords(name, one)}; ${distrustAdvice(name, one)}`));
    }
  return readings.some(({ reading }) => reading.power === 'unknown') ? exitCodes.failed : exitCodes.done;
}

/** Power on is harmless, except in the middle of a fence that is about to read power as off. */
export async function powerOn({ store, keys }: Connected, name: string, output: Output): Promise<number> {
  const record = await readRecord(store, name);
  if (record?.state === 'intent') {
    throw new CommandError(
      exitCodes.refused,
      `${record.fencer} is fencing ${name} right now; power on after it is done`,
    );
  }
  const power = realPower();
  for (const device of await openNode(store, keys, name)) {
    const foreign = await whoseDevice(store, name, device);
    if (foreign !== null) throw new CommandError(exitCodes.refused, `${name}: ${device.name} is not used: ${foreign}`);
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
