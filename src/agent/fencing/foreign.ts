/** A BMC that was found to be another machine's says by itself when it is the node's own again: nobody waits for the next verification. */
import { isAt } from '../../core/device-trust.ts';
import { whereIs } from '../../records/device.ts';
import type { Registration } from '../../records/registration.ts';
import type { Context } from '../context.ts';
import { openDevices } from './devices.ts';

/** Asks the BMCs of a node that are held for another machine's; one command each, none where nothing is held against them. */
export async function askForeignAgain(
  context: Context,
  target: string,
  registration: Registration | null,
): Promise<void> {
  const { env, devices } = context;
  const isForeign = (place: { readonly device: string; readonly where: string }) =>
    devices.remembered(target).findings.some((finding) => finding.kind === 'other-machine' && isAt(finding, place));
  const opened = openDevices(env.secrets, registration, target);
  const asked = (opened.ok ? opened.value : []).map((device) => ({
    device,
    place: { device: device.name, where: whereIs(device) },
  }));
  await Promise.all(
    asked.map(async ({ device, place }) => {
      if (device.kind !== 'ipmi' || !isForeign(place)) return;
      const { guid } = await env.power.identify(device, device.commandTimeoutMs);
      if (guid !== null && devices.isOwnBmc(target, guid)) await devices.tell(target, place, { news: 'own-machine' });
    }),
  );
}
