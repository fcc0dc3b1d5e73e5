/**
 * A random story as data: a cluster, what happens to it and when. The same seed gives the same plan, to the letter; since a
 * plan is a story, a failing one is replayed, shortened and kept like any other.
 */
import type { ClusterShape, Settings } from '../cluster.ts';
import { SeededRandom } from '../random.ts';
import type { StoryStep } from '../scenario.ts';
import { simUuid } from '../vm-story.ts';

/** A cluster and its story; what test/scenarios/NAME/scenario.yaml says. */
export interface Scenario {
  readonly cluster: ClusterShape;
  /** Of the world's own chance: latencies, ids, ties. */
  readonly seed: number;
  readonly bootMs: number;
  readonly steps: readonly StoryStep[];
  readonly untilMs: number;
  /** What must stand in a line of the log, or, after "not ", in none. */
  readonly expect?: readonly string[] | undefined;
}

export interface PlanOptions {
  /** Nodes of the cluster; default: 2 to 6, by chance. */
  readonly nodes?: number;
  /** How many faults; default: 3 to 12, by chance. */
  readonly faults?: number;
}

/** When the first fault may come: everybody runs, somebody is primary. */
const calmUntilMs = 12_000;
const bootMs = 3000;
/** After the last fault; a cluster that needs longer to be well again has failed. */
export const settleMs = 300_000;
export const vmNames = ['vm1', 'vm2', 'vm3'];

interface Fault {
  /** Carried out one shortly after the other. */
  readonly does: readonly string[];
  /** What takes it away; empty: nothing has to. */
  readonly undo: readonly string[];
  /** How far apart the commands are, at least and at most; default: anything up to 900 ms. */
  readonly apartMs?: readonly [number, number];
}

/** The plan of a seed. */
export function planOf(seed: number, options: PlanOptions = {}): Scenario {
  const chance = new Chance(Math.imul(seed, 0x9e3779b1));
  const cluster = clusterOf(chance, options.nodes);
  const names = Array.from({ length: cluster.nodes }, (_, index) => `node${index + 1}`);
  const hasVms = cluster.set?.['vms.enabled'] === true;
  const steps: StoryStep[] = [];
  const add = (atMs: number, command: string) => steps.push({ atMs: Math.round(atMs), command });
  // S5: wall clocks that are wrong by up to a day must not matter.
  if (chance.is(0.5)) for (const name of names) add(1000, `wall-clock ${name} ${chance.skew()}`);
  // A device that never said on (S4). One that begins to lie just when its node falls silent cannot be told from a dead node's.
  if (chance.is(0.15)) add(500, `bmc ${chance.pick(names)} lies-off`);
  if (hasVms) {
    for (const command of definedVms(chance, names)) add(calmUntilMs - 4000, command);
    for (const vm of vmNames) add(calmUntilMs - 1000, `vm ${vm} start`);
  }
  const has = { zookeepers: cluster.zookeepers ?? 1, vms: hasVms };
  const lastMs = trouble(chance, names, has, { add, fromMs: calmUntilMs, faults: options.faults });
  if (has.zookeepers >= 3) forgetting(new Chance(Math.imul(seed, 0x85ebca6b)), names, hasVms, lastMs, add);
  steps.sort((a, b) => a.atMs - b.atMs);
  return { cluster, seed, bootMs, steps, untilMs: lastMs + settleMs };
}

/** Servers that lack a change (docs/decisions/0010): by a chance of their own, in a third of the stories. */
function forgetting(
  chance: Chance,
  names: readonly string[],
  hasVms: boolean,
  untilMs: number,
  add: Script['add'],
): void {
  if (!chance.is(0.33)) return;
  const folders = ['/nodes/NODE/keepalive', '/nodes/NODE/keepalive', '/fencing/NODE', '/fencing', '/primary'];
  if (hasVms) folders.push('/vms/VM');
  for (let count = chance.between(1, 4); count > 0; count -= 1) {
    const path = chance
      .pick(folders)
      .replace('NODE', chance.pick(names))
      .replace('VM', simUuid(chance.pick(vmNames)));
    add(chance.between(calmUntilMs, untilMs - 1), `zookeeper ${chance.pick(['1', '2', '3'])} forgets ${path}`);
  }
}

/** What a cluster has that may fail: ZooKeeper servers, VMs (vm1 to vm3). */
interface Has {
  readonly zookeepers: number;
  readonly vms: boolean;
}

/** The trouble alone, for a cluster that is up; the last step is `repair`. */
export function troublesOf(seed: number, names: readonly string[], has: Has): StoryStep[] {
  const steps: StoryStep[] = [];
  const add = (atMs: number, command: string) => steps.push({ atMs: Math.round(atMs), command });
  trouble(new Chance(seed), names, has, { add, fromMs: 0, faults: undefined });
  return steps.sort((a, b) => a.atMs - b.atMs);
}

interface Script {
  readonly add: (atMs: number, command: string) => void;
  readonly fromMs: number;
  readonly faults: number | undefined;
}

/** Faults by chance, some undone after a while, and at the end `repair`; returns when that is. */
function trouble(chance: Chance, names: readonly string[], has: Has, { add, fromMs, faults }: Script): number {
  const kinds = kindsOf(has);
  let nowMs = fromMs;
  let lastMs = fromMs;
  const happens = (atMs: number, command: string) => {
    lastMs = Math.max(lastMs, atMs);
    add(atMs, command);
  };
  const most = faults ?? chance.between(3, 12);
  for (let count = 0; count < most; count += 1) {
    nowMs += chance.is(0.3) ? chance.between(0, 50) : chance.between(50, 6000);
    const { does, undo, apartMs = [0, chance.is(0.5) ? 30 : 900] } = chance.pick(kinds)(chance, names);
    for (const command of does) {
      happens(nowMs, command);
      if (does.length > 1) nowMs += chance.between(...apartMs);
    }
    const undoneMs = nowMs + chance.between(200, 12_000);
    if (chance.is(0.6)) for (const command of undo) happens(undoneMs, command);
  }
  const repairedMs = Math.max(lastMs, nowMs) + chance.between(500, 8000);
  add(repairedMs, 'repair');
  return repairedMs;
}

class Chance {
  private readonly random: SeededRandom;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  is(probability: number): boolean {
    return this.random.fraction() < probability;
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + Math.floor(this.random.fraction() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }

  skew(): string {
    return `${this.is(0.5) ? '-' : ''}${this.between(1, 86_400)}s`;
  }
}

function clusterOf(chance: Chance, fixedNodes: number | undefined): ClusterShape {
  const nodes = fixedNodes ?? chance.between(2, 6);
  const coordinators = nodes <= 3 ? nodes : chance.between(2, Math.min(nodes, 6));
  const rate = () => 1 + chance.between(-500, 500) / 1_000_000;
  const rates = Array.from({ length: nodes }, (_, index) => [`node${index + 1}`, rate()] as const);
  return {
    nodes,
    coordinators,
    zookeepers: chance.pick([1, 3, 3]),
    storeOnCoordinators: coordinators >= 3 && chance.is(0.15),
    clockRates: chance.is(0.5) ? Object.fromEntries(rates) : undefined,
    set: settingsOf(chance, nodes),
  };
}

function settingsOf(chance: Chance, nodes: number): Settings {
  const outlet = (name: string) => ({ name, agent: 'fence_pdu', options: { ip: `${name}-NODE` } });
  return {
    'keepalive.interval': '1s',
    'detection.savingThrows': chance.pick([3, 3, 4]),
    'fencing.levelDeadline': '10s',
    'fencing.retryBackoff': '5s',
    'fencing.maxFencesPerHour': 100,
    'primary.resources': chance.pick(['vip db', 'vip db', 'vip']),
    'primary.barAfterFailure': '20s',
    'primary.checkInterval': '3s',
    ...(chance.is(0.3) ? { 'node.watchdog': { timeout: '4s' } } : {}),
    ...(chance.is(0.2) ? { 'fencing.devices': [outlet('pdu-a'), outlet('pdu-b')] } : {}),
    ...(chance.is(0.5) ? { 'fencing.verifyInterval': '5s' } : {}),
    ...(chance.is(0.15) ? { 'fencing.maxConcurrentFences': 2 } : {}),
    ...(chance.is(0.15) ? { 'primary.failsafe': true } : {}),
    ...(chance.is(0.2) ? { 'primary.contentionStep': '0ms' } : {}),
    ...(nodes >= 3 && chance.is(0.4) ? vmSettings : {}),
  };
}

const vmSettings: Settings = {
  'vms.enabled': true,
  'vms.checkInterval': '1s',
  'vms.shutdownTimeout': '5s',
  'vms.commandTimeout': '2s',
  'vms.liveTimeout': '20s',
  'vms.maxStarts': 50,
};

function definedVms(chance: Chance, names: readonly string[]): string[] {
  const groups = chance.is(0.3) ? ' apart=db' : '';
  const define = (vm: string, index: number) => `vm ${vm} define ${chance.pick(names)} 64${index < 2 ? groups : ''}`;
  return vmNames.map(define);
}

type Kind = (chance: Chance, names: readonly string[]) => Fault;

/** What happens to one node, as one or more commands. */
const onNode =
  (does: string | readonly string[], undo: string | readonly string[] = []): Kind =>
  (chance, names) => {
    const node = chance.pick(names);
    const meant = (commands: string | readonly string[]) =>
      [commands].flat().map((command) => command.replace('NODE', node));
    return { does: meant(does), undo: meant(undo) };
  };

/** One command made by chance. */
const by =
  (make: (chance: Chance, names: readonly string[]) => string): Kind =>
  (chance, names) => ({ does: [make(chance, names)], undo: [] });

const machineFaults: readonly Kind[] = [
  onNode('power NODE off', 'power NODE on'),
  onNode('power NODE off'),
  onNode('freeze NODE', 'thaw NODE'),
  onNode('freeze NODE', 'thaw NODE'),
  onNode('suspend NODE', 'resume NODE'),
  onNode('kill NODE'),
  onNode('stop NODE', 'start NODE'),
  onNode('hang NODE system', 'unhang NODE system'),
  by((chance, names) => `wall-clock ${chance.pick(names)} ${chance.skew()}`),
  (chance, names) => {
    const node = chance.pick(names);
    const mode = chance.pick(['down', 'stuck', 'badpass', 'user-level', 'nonsense', 'slow=2s']);
    return { does: [`bmc ${node} ${mode}`], undo: [`bmc ${node} ${mode.startsWith('slow') ? 'slow=0s' : 'ok'}`] };
  },
];

/** A node that falls silent and cannot be switched off: the worst case of a fence. */
const unfenceable: readonly Kind[] = (['stuck', 'slow=3s', 'down'] as const).map((mode): Kind => (chance, names) => {
  const node = chance.pick([...names, 'PRIMARY', 'PRIMARY', `HOME-${chance.pick(vmNames)}`]);
  const [does, undo] = chance.pick([
    [`freeze ${node}`, `thaw ${node}`],
    [`cut ${node} --all`, `heal ${node}`],
    [`fence ${node} reboot`, `bmc ${node} ok`],
  ] as const);
  const well = mode.startsWith('slow') ? 'slow=0s' : 'ok';
  return { does: [`bmc ${node} ${mode}`, does], undo: [undo, `bmc ${node} ${well}`] };
});

const storeFaults: readonly Kind[] = [
  onNode('cut NODE --store', 'heal NODE'),
  onNode('cut NODE --all', 'heal NODE'),
  onNode('cut NODE --bmc', 'heal NODE'),
  onNode('cut NODE --peers', 'heal NODE'),
  onNode('lose-answer NODE'),
  () => ({ does: ['store down'], undo: ['store up'] }),
  () => ({ does: ['cut PRIMARY --store'], undo: ['heal'] }),
];

const ensembleFaults: readonly Kind[] = [
  (chance) => {
    const server = chance.pick(['1', '2', '3', 'leader']);
    const mode = chance.pick(['killed', 'frozen', 'stale', 'stale', 'slow=300ms']);
    const well = mode.startsWith('slow') ? 'slow=0s' : 'up';
    return { does: [`zookeeper ${server} ${mode}`], undo: server === 'leader' ? [] : [`zookeeper ${server} ${well}`] };
  },
  by((chance) => `zookeeper elects ${chance.pick(['200ms', '600ms', '2s'])}`),
];

const orders: readonly Kind[] = [
  by((chance, names) => `transfer PRIMARY ${chance.pick(['-', ...names])}`),
  by((chance, names) => `fence ${chance.pick(names)} ${chance.pick(['reboot', 'off'])}`),
  onNode('maintenance NODE work', 'maintenance NODE off'),
  () => ({ does: ['maintenance cluster work'], undo: ['maintenance off'] }),
  onNode('leave NODE', 'join NODE'),
  onNode('vandalise /nodes/NODE/keepalive garbage'),
];

const resourceFaults: readonly Kind[] = [
  by((chance, names) => {
    const node = chance.pick(['PRIMARY', ...names]);
    const what = chance.pick(['vip', 'db', 'hook-takeover', 'hook-relinquish', 'hook-deposed']);
    const modes = ['start-fails', 'start-hangs', 'stop-fails', 'stop-hangs', 'dies', 'status-unknown'];
    return `resource ${node} ${what} ${chance.pick(modes)}`;
  }),
  // Who is cut off and cannot stop has to reset its machine.
  (chance) => ({
    does: [`resource PRIMARY vip ${chance.pick(['stop-fails', 'stop-hangs'])}`, 'cut PRIMARY --store'],
    undo: ['heal'],
  }),
];

const vmOrders: readonly Kind[] = [
  by((chance, names) => {
    const verb = chance.pick(['migrate', 'migrate-live']);
    return `vm ${chance.pick(vmNames)} ${verb} ${chance.pick([...names, ''])}`.trim();
  }),
  by((chance, names) => `vm ${chance.pick(vmNames)} move ${chance.pick(names)}`),
  by((chance) => {
    const verb = chance.pick(['start', 'shutdown', 'stop', 'restart', 'unmigrate', 'cancel']);
    return `vm ${chance.pick(vmNames)} ${verb}`;
  }),
  onNode('drain NODE flush', 'drain NODE ready'),
  (chance, names) => {
    const node = chance.pick(names);
    const mode = chance.pick(['hangs', 'live-fails', 'start-fails', 'deaf']);
    return { does: [`libvirt ${node} ${mode}`], undo: [`libvirt ${node} ok`] };
  },
  (chance) => {
    const vm = chance.pick(vmNames);
    return { does: [`guest ${vm} HOME-${vm} ${chance.pick(['crash', 'off'])}`], undo: [] };
  },
  // In the middle of a live migration the guest may be on either side.
  (chance, names) => {
    const vm = chance.pick(vmNames);
    const strike = chance.pick(['power', 'freeze', 'cut']);
    const end = strike === 'power' ? ' off' : strike === 'cut' ? ' --all' : '';
    const side = chance.pick(['HOME', 'HOME', 'TARGET']);
    const does = [`vm ${vm} migrate-live ${chance.pick(names)}`, `${strike} ${side}-${vm}${end}`];
    return { does, undo: ['heal'], apartMs: [500, 1500] };
  },
];

function kindsOf({ zookeepers, vms }: Has): readonly Kind[] {
  return [
    ...machineFaults,
    ...storeFaults,
    ...(zookeepers >= 3 ? [...ensembleFaults, ...ensembleFaults] : []),
    ...orders,
    ...resourceFaults,
    ...unfenceable,
    ...(vms ? [...vmOrders, ...vmOrders] : []),
  ];
}
