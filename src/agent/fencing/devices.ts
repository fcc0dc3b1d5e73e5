/** The devices that can switch a node off, as its own noded published them, with the seal opened. */
import type { PowerReading } from '../../environment/power.ts';
import type { Secrets } from '../../environment/secrets.ts';
import { levelName } from '../../core/levels.ts';
import type { FenceDevice } from '../../records/device.ts';
import { SealedDevices, sealContext, whereIs } from '../../records/device.ts';
import type { Registration } from '../../records/registration.ts';
import { parseRecord } from '../../records/record.ts';
import type { Context } from '../context.ts';
import { notForeign, readOwn } from './whose.ts';

export type Opened<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly because: string };

/** All devices of a node, or the sentence that says why they cannot be had. */
export function openDevices(
  secrets: Secrets,
  registration: Registration | null,
  target: string,
): Opened<FenceDevice[]> {
  const no = (because: string) => ({ ok: false, because }) as const;
  if (registration === null) return no(`${target} is not registered`);
  if (registration.devicesSealed === null) return no(`${target} has no fence device configured`);
  const plain = secrets.open(registration.devicesSealed, sealContext(target));
  if (plain === null) return no(`the devices of ${target} were sealed with another cluster key`);
  const parsed = parseRecord(SealedDevices, plain);
  return parsed.ok
    ? { ok: true, value: parsed.record.devices }
    : no(`the devices of ${target} cannot be read: ${parsed.because}`);
}

/** The devices of one level, in the level's order. */
export function devicesOf(
  secrets: Secrets,
  registration: Registration | null,
  target: string,
  level: string,
): Opened<FenceDevice[]> {
  const opened = openDevices(secrets, registration, target);
  if (!opened.ok) return opened;
  const names = registration?.levels.find((devices) => levelName(devices) === level);
  if (names === undefined) return { ok: false, because: `${target} has no level "${level}" (any more)` };
  const found = names.map((name) => opened.value.find((device) => device.name === name));
  const missing = names.find((_, index) => found[index] === undefined);
  if (missing !== undefined) return { ok: false, because: `the device "${missing}" of ${target} is not published` };
  return { ok: true, value: found.filter((device) => device !== undefined) };
}

/** Of all devices together: on if one says so, off only when each says off. What says beside it that it is another machine's counts as unread. */
export async function powerOf(
  context: Context,
  target: string,
  devices: readonly FenceDevice[],
): Promise<PowerReading['power']> {
  const readings = await Promise.all(devices.map((device) => readOwn(context, target, device)));
  if (readings.some((reading) => reading.power === 'on')) return 'on';
  return readings.length > 0 && readings.every((reading) => reading.power === 'off') ? 'off' : 'unknown';
}

/** Of these only what is not known to be another machine's, or said by an operator to be right. */
export async function trustedDevices(
  context: Context,
  target: string,
  devices: readonly FenceDevice[],
  deviceIsRight: boolean,
): Promise<FenceDevice[]> {
  const places = devices.map((device) => ({ device: device.name, where: whereIs(device) }));
  const standings = await context.devices.standings(target, places, deviceIsRight);
  return devices.filter((device) => standings.get(device.name)?.use !== 'never');
}

/** Of those only what does not say now that it is another machine's: asked before anything is done with them. */
export async function ownDevices(
  context: Context,
  target: string,
  devices: readonly FenceDevice[],
  deviceIsRight: boolean,
): Promise<FenceDevice[]> {
  const trusted = await trustedDevices(context, target, devices, deviceIsRight);
  return deviceIsRight ? trusted : notForeign(context, target, trusted);
}
