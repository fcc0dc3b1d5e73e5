/** A subsystem in the simulator: it answers after a moment, or hangs until its timeout. */
import type { Clock } from '../environment/clock.ts';
import type { Subsystem, SubsystemReading } from '../environment/subsystem.ts';

const timeoutMs = 2000;

export function simSubsystem(name: string, clock: Clock, hangs: () => boolean): Subsystem {
  const collect = async (): Promise<SubsystemReading> => {
    if (hangs()) {
      await clock.sleep(timeoutMs);
      return { ok: false, because: `no answer within ${timeoutMs} ms` };
    }
    await clock.sleep(20);
    return { ok: true, health: 'ok', summary: 'fine', facts: { totalMiB: 4096, freeMiB: 2048, cpus: 4, load1: 0.5 } };
  };
  return { name, timeoutMs, collect };
}
