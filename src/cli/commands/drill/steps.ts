/** The steps of a drill: what is done to the victim, by which command on it, and what has to come of it. */
import type { Config } from '../../../config/load.ts';

export interface DrillStep {
  readonly name: string;
  /** What will happen, for the person who is asked. */
  readonly describe: (victim: string) => string;
  /** Run on the victim itself; null: nodectl does it from here. */
  readonly onVictim: ((config: Config, nodedPid: number) => string) | null;
  /** What proves that it went as it should. */
  readonly expects: 'restarted-without-a-fence' | 'fenced-and-back' | 'role-moved';
}

export const drillSteps: readonly DrillStep[] = [
  {
    name: 'kill',
    describe: (victim) => `noded on ${victim} is killed; it must come back by itself, and nobody may be fenced`,
    onVictim: (_config, pid) => `kill -KILL ${pid}`,
    expects: 'restarted-without-a-fence',
  },
  {
    name: 'freeze',
    describe: (victim) => `noded on ${victim} is stopped (SIGSTOP): ${victim} WILL BE FENCED and must come back`,
    onVictim: (_config, pid) => `kill -STOP ${pid}`,
    expects: 'fenced-and-back',
  },
  {
    name: 'cut',
    describe: (victim) => `${victim} is cut off from ZooKeeper (iptables): ${victim} WILL BE FENCED and must come back`,
    onVictim: ({ zookeeper }) => {
      const ports = [...new Set(zookeeper.servers.map((server) => server.slice(server.lastIndexOf(':') + 1)))];
      return ports.map((port) => `iptables -w 5 -I OUTPUT -p tcp --dport ${port} -j DROP`).join(' && ');
    },
    expects: 'fenced-and-back',
  },
  {
    name: 'fence',
    describe: (victim) => `${victim} is fenced by request: IT WILL BE POWER-CYCLED and must come back`,
    onVictim: null,
    expects: 'fenced-and-back',
  },
  {
    name: 'move',
    describe: (victim) => `the primary role moves to ${victim} and back`,
    onVictim: null,
    expects: 'role-moved',
  },
];
