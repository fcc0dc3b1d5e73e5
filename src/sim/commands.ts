/** The commands of `nodectl primary run` on simulated machines, by their cgroups. */
import type { BoundCommands } from '../environment/commands.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';

/** `onEnd`: everything in that cgroup has ended. */
export function simCommands(machine: SimMachine, process: SimProcess, onEnd: (cgroup: string) => void): BoundCommands {
  return {
    async sees(cgroup) {
      await process.sleep(0.1);
      return machine.cgroups.has(cgroup);
    },
    async end(cgroup) {
      await process.sleep(1);
      machine.cgroups.delete(cgroup);
      if (machine.running.delete(cgroup)) onEnd(cgroup);
      return null;
    },
  };
}
