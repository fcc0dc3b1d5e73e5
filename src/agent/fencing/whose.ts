/** Whose a BMC is, as it says itself at this moment: asked wherever its power is read for a decision, or switched (S3, S4). */
import type { BmcFault } from '../../core/verification.ts';
import type { PowerReading } from '../../environment/power.ts';
import type { FenceDevice } from '../../records/device.ts';
import type { Context } from '../context.ts';

/** What a BMC said when it was asked whose it is. */
export interface Whose {
  /** Why it is not the target's own; null: nothing says so. */
  readonly foreign: string | null;
  /** Null: it answered, if only that it does not know. */
  readonly fault: BmcFault | null;
}

/** A fence agent's device is not asked, and answers for nobody. */
export async function askWhose({ env, devices }: Context, target: string, device: FenceDevice): Promise<Whose> {
  if (device.kind !== 'ipmi') return { foreign: null, fault: null };
  const { guid, fault } = await env.power.identify(device, device.commandTimeoutMs);
  return { foreign: guid === null ? null : devices.foreignBmc(target, guid), fault };
}

/** A reading, and beside it the question whose device this is: of another machine's the power is unknown. */
export async function readOwn(context: Context, target: string, device: FenceDevice): Promise<PowerReading> {
  const [reading, { foreign }] = await Promise.all([
    context.env.power.read(device, device.commandTimeoutMs),
    askWhose(context, target, device),
  ]);
  return foreign === null ? reading : { ...reading, power: 'unknown', because: foreign };
}

/** Those of these devices that do not say now that they are another machine's. */
export async function notForeign(
  context: Context,
  target: string,
  devices: readonly FenceDevice[],
): Promise<FenceDevice[]> {
  const whose = await Promise.all(devices.map((device) => askWhose(context, target, device)));
  return devices.filter((_, index) => whose[index]?.foreign === null);
}
