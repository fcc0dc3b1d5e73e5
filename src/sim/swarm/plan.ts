/**
 * A random story as data: a cluster, what happens to it and when. The same seed gives the same plan, to the letter; since a
 * plan is a story, a failing one is replayed, shortened and kept like any other.
 */
import type { ClusterShape, Settings } from '../cluster.ts';
import { SeededRandom } from '../random.ts';
import type { StoryStep } from '../scenario.ts';
import { simUuid } from '../vm-story.ts';
import { changes } from './changes.ts';
import { deviceFaults } from './device-faults.ts';
import { restoredGuests } from './restored-guests.ts';

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
  knowledge(new Chance(Math.imul(seed, 0x27d4eb2f)), names, cluster, lastMs, add);
  if (has.zookeepers >= 3) forgetting(new Chance(Math.imul(seed, 0x85ebca6b)), names, hasVms, lastMs, add);
  if (hasVms) vmDoubts(new Chance(Math.imul(seed, 0x1b873593)), names, lastMs, add);
  if (has.zookeepers >= 3) setApart(new Chance(Math.imul(seed, 0xcc9e2d51)), hasVms, lastMs, add);
  restoring(new Chance(Math.imul(seed, 0x9e3779b9)), names, hasVms, lastMs, add);
  commands(new Chance(Math.imul(seed, 0x165667b1)), names, lastMs, add);
  words(new Chance(Math.imul(seed, 0x2545f491)), names, lastMs, add);
  changes(new Chance(Math.imul(seed, 0x3c6ef372)), names, [calmUntilMs, lastMs], add);
  const proven = provenElsewhere(new Chance(Math.imul(seed, 0x51ed270b)), cluster, names, lastMs, add);
  const devices = deviceFaults(
    new Chance(Math.imul(seed, 0xc2b2ae35)),
    { names, bmcOnly: !hasVms && proven.set?.['fencing.devices'] === undefined },
    [calmUntilMs, lastMs],
    add,
  );
  const guests = hasVms
    ? restoredGuests(new Chance(Math.imul(seed, 0x7feb352d)), { names, vms: vmNames }, [calmUntilMs, lastMs], add)
    : {};
  // No trouble is left over: what is struck after the repair would last for ever.
  const struckMs = steps.filter(({ command }) => command !== 'repair').map(({ atMs }) => atMs + 1);
  const repairMs = Math.max(devices.untilMs, ...struckMs);
  const timed = steps.map((step) => (step.command === 'repair' ? { ...step, atMs: repairMs } : step));
  timed.sort((a, b) => a.atMs - b.atMs);
  const told = timed.filter((step, index) => !beginsToLie(step, timed.slice(0, index)));
  const whole = { ...proven, set: { ...proven.set, ...devices.set, ...guests } };
  return { cluster: whole, seed, bootMs, steps: told, untilMs: repairMs + settleMs };
}

/**
 * A BMC that took orders which it did not carry out, and then says off of a machine that runs: if that begins while its node is silent
 * nobody can tell it from one that obeyed late (docs/SAFETY.md, what is not promised).
 */
function beginsToLie({ command }: StoryStep, before: readonly StoryStep[]): boolean {
  const node = /^bmc (\S+) (?:reads|lies)-off$/.exec(command)?.[1];
  if (node === undefined) return false;
  const stuck = before.flatMap((step) => /^bmc (\S+) stuck$/.exec(step.command)?.[1] ?? []);
  return stuck.some((one) => one === node || one === 'PRIMARY' || one.startsWith('HOME-'));
}

/**
 * What is known of devices, and by whom: a BMC that begins to report off while all is calm, so that somebody finds it out; then its
 * finder goes, or the record of it is corrupted, too large, or not readable for a while. By a chance of their own, in a third of the stories.
 */
function knowledge(
  chance: Chance,
  names: readonly string[],
  { set }: ClusterShape,
  untilMs: number,
  put: Script['add'],
): void {
  const add = (atMs: number, command: string) => put(Math.min(atMs, untilMs - 1), command);
  if (!chance.is(0.33)) return;
  const node = chance.pick(names);
  const path = `/nodes/${node}/devices`;
  const isFoundInTime = set?.['fencing.verifyInterval'] === '5s';
  if (isFoundInTime) add(5000, `bmc ${node} ${chance.pick(['lies-off', 'reads-off'])}`);
  const isElsewhere = chance.is(0.3);
  // Found by a verification, or, where none comes in time, by the fencer that asks the BMC whose it is.
  if (isElsewhere) add(5000, `bmc ${isFoundInTime ? chance.pick(names) : node} is ${chance.pick(names)}`);
  const afterMs = chance.between(calmUntilMs, calmUntilMs + 8000);
  const other = chance.pick(names);
  add(afterMs, chance.pick([`stop ${other}`, `kill ${other}`, `cut ${other} --all`, `freeze ${other}`]));
  const spoil = chance.pick(['garbage', '', 'unreadable', `x${'y'.repeat(300_000)}`]);
  if (spoil === 'unreadable') {
    add(afterMs + chance.between(0, 2000), `unreadable ${path}`);
    add(afterMs + chance.between(3000, 20_000), `readable ${path}`);
  } else if (spoil !== '') add(afterMs + chance.between(0, 2000), `vandalise ${path} ${spoil}`);
  add(afterMs + chance.between(500, 5000), chance.pick([`freeze ${node}`, `kill ${node}`, `power ${node} off`]));
}

/**
 * What makes a guest look off that is not, and a lock look held that is not: by a chance of their own, in half of the stories with
 * VMs. libvirt gives half an answer, a guest panics and is kept, a VM goes and comes back, an operator takes a lock away.
 */
function vmDoubts(chance: Chance, names: readonly string[], untilMs: number, add: Script['add']): void {
  if (!chance.is(0.5)) return;
  for (const vm of vmNames) if (chance.is(0.5)) add(calmUntilMs - 500, `vm ${vm} by-shutdown`);
  for (let count = chance.between(2, 5); count > 0; count -= 1) {
    const vm = chance.pick(vmNames);
    const atMs = chance.between(calmUntilMs, untilMs - 1);
    const before = (ms: number, command: string) => add(Math.min(atMs + ms, untilMs - 1), command);
    const kind = chance.pick(['half', 'half', 'half', 'panic', 'back', 'flush'] as const);
    const verbs = kind === 'half' ? ['shutdown', 'migrate'] : ['shutdown', 'restart', 'migrate', 'migrate-live'];
    const order = `vm ${vm} ${chance.pick(verbs)}`;
    if (kind === 'half') {
      const node = chance.pick([...names, `HOME-${vm}`, `HOME-${vm}`]);
      before(0, `libvirt ${node} ${chance.pick(['no-names', 'no-states', 'no-lookup', 'empty'])}`);
    } else if (kind === 'panic') before(0, `guest ${vm} HOME-${vm} panic`);
    else if (kind === 'flush') before(0, `vm ${vm} flush-lock`);
    else {
      before(0, `vm ${vm} migrate-live ${chance.pick(names)}`);
      before(chance.between(1500, 8000), `vm ${vm} unmigrate`);
    }
    if (kind !== 'back' && chance.is(0.7)) before(chance.between(0, 3000), order);
    if (kind === 'half' && chance.is(0.6))
      for (const node of names) before(chance.between(1000, 10_000), `libvirt ${node} ok`);
  }
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

/** Commands of `nodectl primary run` whose guards are stopped and killed: by a chance of their own, in a quarter of the stories. */
function commands(chance: Chance, names: readonly string[], untilMs: number, add: Script['add']): void {
  if (!chance.is(0.25)) return;
  const at = () => chance.between(calmUntilMs, untilMs - 1);
  add(calmUntilMs - 2000, 'command all run job');
  for (let count = chance.between(1, 5); count > 0; count -= 1) {
    const who = chance.pick(['PRIMARY', 'PRIMARY', chance.pick(names)]);
    const atMs = at();
    const state = chance.pick(['frozen', 'frozen', 'killed']);
    add(atMs, `command ${who} guard job ${state}`);
    if (state === 'frozen' && chance.is(0.5))
      add(Math.min(untilMs - 1, atMs + chance.between(100, 8000)), `command all guard job ok`);
    if (chance.is(0.5)) add(at(), 'command all run job');
    // What meets a stopped guard most: the role moves, or noded is killed.
    const next = chance.pick([`transfer PRIMARY ${chance.pick(names)}`, `kill ${who}`, null]);
    if (next !== null) add(Math.min(untilMs - 1, atMs + chance.between(0, 500)), next);
  }
}

/**
 * A person switches a node off and says so (`nodectl fence confirm`), and whoever may take that word dies, hangs or is cut off, or the node
 * is switched on again meanwhile: by a chance of their own, in a tenth of the stories.
 */
function words(chance: Chance, names: readonly string[], untilMs: number, put: Script['add']): void {
  if (!chance.is(0.1)) return;
  const add = (atMs: number, command: string) => put(Math.min(atMs, untilMs - 1), command);
  const node = chance.pick(names);
  const offMs = chance.between(calmUntilMs, untilMs - 1);
  // Else it would be fenced before anybody says a word.
  add(offMs - 500, chance.pick([`maintenance ${node} work`, `bmc ${node} down`]));
  add(offMs, `power ${node} off`);
  const saidMs = offMs + chance.between(500, 8000);
  add(saidMs, `confirm ${node} looked`);
  const other = chance.pick(names);
  const next = chance.pick([`kill ${other}`, `freeze ${other}`, `cut ${other} --store`, `power ${node} on`]);
  add(saidMs + chance.between(0, 3000), next);
}

/**
 * The store is restored from a copy of an earlier moment, with its locks and sessions: by a chance of its own, in a fifth of the stories. In
 * a sixth of these it is rebuilt empty before that.
 */
function restoring(
  chance: Chance,
  names: readonly string[],
  hasVms: boolean,
  untilMs: number,
  add: Script['add'],
): void {
  if (!chance.is(0.2)) return;
  const copiedMs = chance.between(calmUntilMs - 3000, untilMs - 3000);
  // A fence of this moment is in the copy, with its lock and its request.
  if (chance.is(0.4))
    add(copiedMs - chance.between(0, 1200), `fence ${chance.pick(names)} ${chance.pick(['reboot', 'off'])}`);
  add(copiedMs, 'store copy A');
  if (chance.is(0.5)) add(copiedMs + 1500, 'nodectl-ends');
  for (let count = chance.between(1, 2); count > 0; count -= 1) {
    const restoredMs = chance.between(copiedMs + 1600, untilMs - 1);
    const isStopped = chance.is(0.6);
    if (isStopped) add(restoredMs - chance.between(1, 1500), 'store down');
    add(restoredMs, `store restore A${chance.is(0.3) ? ' refusing' : ''}`);
    if (isStopped) add(Math.min(restoredMs + chance.between(1, 3000), untilMs - 1), 'store up');
    if (count === 1 && chance.is(0.17)) add(chance.between(copiedMs + 1, restoredMs - 1), 'store wiped');
    else if (count === 1 && chance.is(0.2)) unknownToCopy(chance, names, hasVms, [copiedMs, restoredMs], add);
  }
}

/** A node that joined after the copy, and got a VM; its noded hangs, or its machine is busy, when the copy is put back. */
function unknownToCopy(
  chance: Chance,
  names: readonly string[],
  hasVms: boolean,
  [copiedMs, restoredMs]: readonly [number, number],
  add: Script['add'],
): void {
  const late = chance.pick(names);
  add(0, `power ${late} off`);
  add(copiedMs + 100, `power ${late} on`);
  if (hasVms) add(Math.min(copiedMs + 5000, restoredMs - 3000), `vm ${chance.pick(vmNames)} migrate-live ${late}`);
  if (chance.is(0.7)) add(restoredMs - chance.between(1, 2500), `freeze ${late}`);
}

/** S12: a server, or all of them from the beginning, that are stores of their own; by a chance of their own, in a third of the stories. */
function setApart(chance: Chance, hasVms: boolean, untilMs: number, add: Script['add']): void {
  if (chance.is(0.06) && !hasVms) add(0, `zookeeper all alone ${chance.pick(['empty', 'empty silent'])}`);
  if (!chance.is(0.3)) return;
  for (let count = chance.between(1, 2); count > 0; count -= 1) {
    const server = chance.pick(['1', '2', '3']);
    const atMs = chance.between(calmUntilMs, untilMs - 1);
    add(atMs, `zookeeper ${server} alone ${chance.pick(['empty', 'empty silent', 'empty silent', 'copy'])}`);
    if (chance.is(0.5)) add(Math.min(atMs + chance.between(1000, 20_000), untilMs - 1), `zookeeper ${server} up`);
  }
}

/**
 * A primary that could take something else for the proof of its role, while its peers rely on its watchdog: agreements that are not of
 * the node that was asked, or writes that are no keepalive. By a chance of their own, in some 8 of 100 stories.
 */
function provenElsewhere(
  chance: Chance,
  cluster: ClusterShape,
  names: readonly string[],
  untilMs: number,
  add: Script['add'],
): ClusterShape {
  if (!chance.is(0.12) || cluster.set?.['vms.enabled'] === true) return cluster;
  const fromMs = chance.between(calmUntilMs, Math.max(calmUntilMs, untilMs - 20_000));
  const levels = chance.is(0.2) ? [['ipmi'], ['watchdog']] : [['watchdog'], ['ipmi']];
  const lead = chance.pick(['leads-to self PRIMARY', `leads-to ${chance.pick(names)}`, 'replays', 'replays']);
  if (chance.is(0.7)) {
    for (const name of names) add(fromMs, `api ${name} ${lead}`);
    // What is given again later must have been said: everybody has lost the store at first.
    if (lead === 'replays') add(fromMs + chance.between(0, 300), 'store down');
    add(fromMs + 2000, 'cut PRIMARY --store');
    add(fromMs + 2500, 'store up');
  } else {
    add(fromMs, 'keepalive PRIMARY refused');
    // Each is refused by the primary in a write of its own.
    for (let at = 1; at < 60; at += 1) add(fromMs + 300 * at, `transfer PRIMARY ${chance.pick(names)} 0`);
  }
  const set = Object.fromEntries(Object.entries(cluster.set ?? {}).filter(([key]) => key !== 'fencing.devices'));
  return {
    ...cluster,
    set: { ...set, 'primary.failsafe': true, 'node.watchdog': { timeout: '4s' }, 'fencing.levels': levels },
  };
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
    const mode = chance.pick([
      'down',
      'stuck',
      'badpass',
      'user-level',
      'nonsense',
      'slow=2s',
      'reads-off',
      'reads-on',
      'restart=8s',
    ]);
    const well = mode.startsWith('slow') ? 'slow=0s' : 'ok';
    return { does: [`bmc ${node} ${mode}`], undo: [`bmc ${node} ${well}`] };
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
  onNode('vandalise /nodes/NODE/devices garbage'),
  onNode('unreadable /nodes/NODE/devices', 'readable /nodes/NODE/devices'),
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
