/** A simulated cluster of like machines, made of the configuration of one: names and addresses differ, all else is as written. */
import type { Config } from '../../config/load.ts';
import type { SimNode } from '../world.ts';

export interface OwnCluster {
  readonly config: Config;
  readonly nodes: number;
  /** The first ones. */
  readonly coordinators: number;
  /** How long each BMC takes to answer, beyond some 45 ms. */
  readonly bmcSlowMs: number;
}

/** node1..nodeN. */
export function nodesOf({ config, nodes, coordinators }: OwnCluster): SimNode[] {
  return Array.from({ length: nodes }, (_, index) => {
    const name = `node${index + 1}`;
    return { name, config: configOf(config, name, index < coordinators ? 'coordinator' : 'worker') };
  });
}

/** How many ZooKeeper servers the simulated store has. */
export function zookeepersOf({ config }: Pick<OwnCluster, 'config'>): number {
  return Math.min(config.zookeeper.servers.length, zookeepersMax);
}

const zookeepersMax = 9;

function configOf(config: Config, name: string, role: 'coordinator' | 'worker'): Config {
  const { bmc, fencing, vms } = config;
  return {
    ...config,
    node: { ...config.node, name, role },
    api: { ...config.api, enabled: true, address: name },
    vms: { ...vms, address: name },
    ...(bmc === undefined ? {} : { bmc: { ...bmc, address: `bmc-${name}` } }),
    fencing: {
      ...fencing,
      // An outlet of its own for each machine and device.
      devices: fencing.devices.map((device) => ({
        ...device,
        secretFiles: {},
        options: { ...device.options, ip: `${device.name}-${name}` },
      })),
    },
  };
}
