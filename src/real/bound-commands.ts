/** The commands that run under the role, by their cgroups (environment/commands.ts). */
import type { BoundCommands } from '../environment/commands.ts';
import { cgroupExists, endCgroup } from './cgroup.ts';

export const cgroupCommands: BoundCommands = {
  sees: (cgroup) => Promise.resolve(cgroupExists(cgroup)),
  end: endCgroup,
};
