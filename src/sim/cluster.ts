/** Builds the configurations of a simulated cluster from a few words, through the very loader of production. */
import { loadConfig, printErrors } from '../config/load.ts';
import type { Config } from '../config/load.ts';
import type { SimNode } from './world.ts';

export interface ClusterShape {
  readonly nodes: number;
  /** How many of them are coordinators (the first ones); default: all. */
  readonly coordinators?: number | undefined;
  /** Whether ZooKeeper's servers run on the coordinators: the store is there while most of them have power. */
  readonly storeOnCoordinators?: boolean | undefined;
  /** ZooKeeper servers; default 1, which never lags. */
  readonly zookeepers?: number | undefined;
  /** How fast the monotonic clock of a machine runs; default 1. */
  readonly clockRates?: Readonly<Record<string, number>> | undefined;
  /** Any further keys, as YAML text of the config's sections. */
  readonly set?: Settings | undefined;
}

/** "section.key" -> value, as YAML would hold it; NODE in a text stands for the node's name. */
export type Settings = Readonly<Record<string, unknown>>;

/** node1..nodeN with the given settings, e.g. `{ 'keepalive.interval': '1s' }`. Throws when the config would be refused. */
export function simCluster(shape: ClusterShape): SimNode[] {
  return Array.from({ length: shape.nodes }, (_, index) => {
    const name = `node${index + 1}`;
    const role = index < (shape.coordinators ?? shape.nodes) ? 'coordinator' : 'worker';
    return { name, config: simConfig(name, role, shape) };
  });
}

function simConfig(name: string, role: string, { set = {}, zookeepers = 1 }: ClusterShape): Config {
  const servers = Array.from({ length: zookeepers }, (_, index) => `zk${zookeepers === 1 ? '' : index + 1}:2181`);
  const tree: Record<string, Record<string, unknown>> = {
    cluster: { name: 'sim' },
    node: { name, role },
    zookeeper: { servers, tickTime: '200ms' },
    api: { address: name },
    bmc: { address: `bmc-${name}`, username: 'nodekeeper', passwordFile: '/none' },
  };
  for (const [key, value] of Object.entries(set)) {
    const [section = '', leaf = ''] = key.split('.');
    tree[section] = {
      ...tree[section],
      [leaf]: key === 'primary.resources' ? resources(value as string) : value,
    };
  }
  const loaded = loadConfig(JSON.stringify(tree).replaceAll(/\bNODE\b/g, name)); // JSON is YAML
  if (!loaded.ok) throw new Error(printErrors(`config of ${name}`, loaded.errors));
  return loaded.config;
}

/** "vip db" as two command resources; in the simulator only their names and times matter. */
function resources(names: string): object[] {
  const words = names.split(' ').filter((name) => name !== '');
  return words.map((name) => ({
    type: 'command',
    name,
    start: ['start'],
    stop: ['stop'],
    status: ['status'],
    stopTimeout: '2s',
    statusTimeout: '500ms',
  }));
}
