/**
 * Shuts a guest down for a move, which goes on only when it is off and nothing of it is left (S2): asked again now and then,
 * switched off after its time. What libvirt refuses is told, each reason once, and tried again: there is no other way on.
 */
import type { Guest } from '../../core/vm.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { Context } from '../context.ts';

const lookMs = 500;
/** Some guests listen only to the second press of the button. */
export const askAgainMs = 10_000;

/** A guest here: running, paused, crashed, off (or unknown to libvirt); or it is not known. */
export async function lookAt(hypervisor: Hypervisor, uuid: string): Promise<Guest | 'off' | 'unknown'> {
  const here = await hypervisor.guestAt(null, uuid);
  if (!here.ok || here.value?.power === 'unknown') return 'unknown';
  return here.value === null || here.value.power === 'off' ? 'off' : here.value;
}

/** True: it is off, and libvirt has forgotten it. False: this noded's duties are over, and nothing is known. */
export async function shutGuest(
  { env, duties, config, history, self }: Context,
  hypervisor: Hypervisor,
  { uuid, name }: { readonly uuid: string; readonly name: string },
): Promise<boolean> {
  /** Its time counts from the first request: while libvirt is silent nothing was asked. */
  let firstAskedMs: number | null = null;
  let askedMs = -Infinity;
  let told = '';
  const tell = (because: string) => {
    if (told !== because) history.happened('vm', because, { node: self.name, evidence: { vm: name } });
    told = because;
  };
  while (!duties.aborted) {
    const here = await lookAt(hypervisor, uuid);
    const nowMs = env.clock.monotonicMs();
    if (here === 'off') {
      const removed = await hypervisor.remove(uuid);
      if (removed.ok) return true;
      tell(`${name} is off and could not be forgotten: ${removed.because}`);
    } else if (here === 'unknown') tell(`whether ${name} is off is not known: libvirt on ${self.name} does not answer`);
    else if (here.power === 'crashed' || (firstAskedMs !== null && nowMs - firstAskedMs > config.vms.shutdownTimeout)) {
      const done = await hypervisor.switchOff(uuid);
      if (!done.ok) tell(`${name} could not be switched off: ${done.because}`);
    } else if (nowMs - askedMs > askAgainMs) {
      askedMs = nowMs;
      firstAskedMs ??= nowMs;
      const asked = await hypervisor.shutDown(uuid);
      if (!asked.ok) tell(`${name} could not be asked to shut down: ${asked.because}`);
    }
    await env.clock.sleep(lookMs, duties);
  }
  return false;
}
