/** Everything that the agent may touch of the outside world. Nothing else exists for it. */
import type { Clock } from './clock.ts';
import type { BoundCommands } from './commands.ts';
import type { Hypervisor } from './hypervisor.ts';
import type { Journal } from './journal.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { PeerApi } from './peer-api.ts';
import type { Power } from './power.ts';
import type { Random } from './random.ts';
import type { Reset } from './reset.ts';
import type { PrimaryResources } from './resources.ts';
import type { Secrets } from './secrets.ts';
import type { StorageFence } from './storage-fence.ts';
import type { Store } from './store.ts';
import type { Subsystem } from './subsystem.ts';
import type { Supervisor } from './supervisor.ts';
import type { Watchdog } from './watchdog.ts';
import type { ZooKeeperServers } from './zookeeper-servers.ts';

/** What the machine says of itself; fixed for the life of a noded. */
export interface MachineIdentity {
  readonly bootId: string;
  readonly machineId: string;
  readonly hostname: string;
  readonly pid: number;
  readonly systemGuid: string | null;
}

export interface Environment {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly store: Store;
  readonly servers: ZooKeeperServers;
  readonly power: Power;
  readonly secrets: Secrets;
  readonly supervisor: Supervisor;
  readonly subsystems: readonly Subsystem[];
  readonly primary: PrimaryResources;
  readonly commands: BoundCommands;
  readonly journal: Journal;
  /** A journal that ends with the machine, in a file system in memory: it answers while the disk hangs. Null: there is none. */
  readonly memory: Journal | null;
  readonly peerApi: PeerApi;
  readonly reset: Reset;
  /** Null: none is configured. */
  readonly watchdog: Watchdog | null;
  /** Null: this node runs no VMs. */
  readonly hypervisor: Hypervisor | null;
  /** Null: none is configured. */
  readonly storageFence: StorageFence | null;
  readonly machine: MachineIdentity;
  /** Whether a process of this machine still lives: to tell a former life of this noded from a second one. */
  processLives(pid: number): boolean;
}
