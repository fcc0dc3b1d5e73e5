/** `ZooKeeperServers` in the simulator: the server number N runs on the machine of the node number N. */
import type { SeenServer, ServerHealth } from '../core/server-restart.ts';
import type { ZooKeeperServers } from '../environment/zookeeper-servers.ts';
import type { SimEnsemble } from './ensemble.ts';
import type { SimProcess } from './process.ts';
import type { ResourceMode } from './resources.ts';

export interface SimZooKeeperServersOptions {
  readonly process: SimProcess;
  readonly ensemble: SimEnsemble;
  /** As configured, in the order of the ensemble's. */
  readonly servers: readonly string[];
  /** The server of this machine, counted from 0. */
  readonly index: number;
  readonly reaches: () => boolean;
  /** Null: no command is configured. */
  readonly timeoutMs: number | null;
  readonly mode: () => ResourceMode;
  readonly onRestart: (server: string, what: string) => void;
}

const answerMs = 2;
/** What the command takes, and what a server needs after it until it serves. */
const commandMs = 1000;
const bootMs = 3000;

export function simZooKeeperServers(options: SimZooKeeperServersOptions): ZooKeeperServers {
  const { process, ensemble, servers, index, reaches, timeoutMs, mode, onRestart } = options;
  const healthOf = (number: number): ServerHealth => {
    const server = ensemble.servers[number];
    if (server === undefined || server.mode === 'killed' || !reaches()) return 'away';
    return server.mode === 'frozen' || !ensemble.isAvailable() ? 'hangs' : 'serves';
  };
  return {
    async look(withinMs) {
      const look = () => servers.map((server, number): SeenServer => ({ server, health: healthOf(number) }));
      await process.sleep(look().every(({ health }) => health === 'serves') ? answerMs : withinMs);
      return look();
    },
    own: () => Promise.resolve(servers[index] ?? null),
    restart:
      timeoutMs === null
        ? null
        : async (server) => {
            onRestart(server, 'begins');
            const now = mode();
            await process.sleep(now === 'start-hangs' ? timeoutMs : commandMs);
            onRestart(server, 'ends');
            if (now === 'start-hangs')
              return { ok: false, because: 'no end in time; killed with its process group', output: '' };
            if (now === 'start-fails') return { ok: false, because: 'exit code 1', output: 'no such unit' };
            await ensembleBoots(options);
            return { ok: true, because: 'exit code 0', output: '' };
          },
  };
}

/** The process is another one at once; it serves when it has joined. */
function ensembleBoots({ process, ensemble, index }: SimZooKeeperServersOptions): Promise<void> {
  ensemble.setServer(index + 1, 'killed', 400);
  void process.sleep(bootMs).then(() => ensemble.setServer(index + 1, 'up', 400));
  return Promise.resolve();
}
