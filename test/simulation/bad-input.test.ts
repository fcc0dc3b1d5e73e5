/**
 * Every path of the tree (src/records/tree.ts), one by one, with every kind of bad record: nobody dies of it, nobody is fenced for it, no
 * rule breaks, and each is named: in the log, or in the answer of whoever needs the record.
 */
import type { Finding } from '../../src/sim/swarm/run.ts';
import { checkers } from '../../src/sim/checkers/all.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { obey } from '../../src/sim/scenario.ts';
import { simUuid } from '../../src/sim/vm-story.ts';
import { World } from '../../src/sim/world.ts';
import { recordBytesMax } from '../../src/records/record.ts';
import { tree } from '../../src/records/tree.ts';

/** What may stand where a record is expected. */
const bad: Readonly<Record<string, (before: string) => string>> = {
  'no JSON': () => '}{ nonsense',
  'another encoding': () => '\u0000\ufffd\u0001',
  truncated: (before) => (before.length > 2 ? before.slice(0, before.length - 2) : '{"schema":1,"na'),
  'of a later version': () => '{"schema":2,"name":"node2"}',
  foreign: () => '{"hello":"world","nested":{"a":[1,2,3]}}',
  'a list': () => '[1,2,3]',
  null: () => 'null',
  oversized: (before) => `${before === '' ? '{"schema":1' : before.slice(0, -1)},"x":"${'x'.repeat(recordBytesMax)}"}`,
  deep: () => '['.repeat(50_000),
};

const uuid = simUuid('vm1');

/** Where it stands, and how a bad record there is named; null: nobody reads what stands there, only that it is there. */
interface Place {
  readonly path: string;
  readonly named: RegExp | null;
  /** A command of the story after which it is read. */
  readonly then?: string;
}

/** An entry for each of the tree: a new one without a place here fails. */
const places: { readonly [Key in keyof typeof tree]: Place } = {
  clusterId: { path: tree.clusterId, named: null },
  nodes: { path: tree.nodes, named: null },
  node: { path: tree.node('node2'), named: /\/nodes\/node2 cannot be read/, then: 'kill node3' },
  session: { path: tree.session('node2'), named: null },
  keepalive: { path: tree.keepalive('node2'), named: /\/nodes\/node2\/keepalive (cannot|could not) be read/ },
  /** Its owner writes it again with its next round; who needs it before then does not believe it. */
  verification: { path: tree.verification('node2'), named: null },
  verified: { path: tree.verified('node1', 'node2'), named: null },
  devices: { path: tree.devices('node2'), named: /\/nodes\/node2\/devices cannot be read/ },
  fencing: { path: tree.fencing, named: /\/fencing cannot be read/ },
  fence: { path: tree.fence('node2'), named: /\/fencing\/node2 cannot be read/ },
  fenceLocks: { path: tree.fenceLocks('node2'), named: null },
  requests: { path: `${tree.requests}/r-0000000000`, named: /\/requests\/r-0000000000 cannot be read/ },
  maintenance: { path: tree.maintenance, named: /maintenance.*cannot be read/ },
  nodeMaintenance: { path: tree.nodeMaintenance('node2'), named: /maintenance.*cannot be read/ },
  primary: { path: tree.primary, named: /\/primary cannot be read/ },
  primaryLock: { path: tree.primaryLock, named: null },
  transfers: { path: `${tree.transfers}/t-0000000000`, named: /\/transfers\/t-0000000000 cannot be read/ },
  transfer: { path: tree.transfer('foreign'), named: /\/transfers\/foreign cannot be read/ },
  left: { path: tree.left('node2'), named: /\/nodes\/node2\/left cannot be read/ },
  once: { path: `${tree.once}/bootstrap`, named: null },
  onceRecord: { path: tree.onceRecord('schema'), named: null },
  onceRun: { path: tree.onceRun('schema'), named: null },
  vms: { path: `${tree.vms}/foreign`, named: /\/vms\/foreign cannot be read/ },
  vm: { path: tree.vm(uuid), named: /\/vms\/.*0001 cannot be read/ },
  vmDefinition: { path: tree.vmDefinition(uuid), named: null },
  vmLock: { path: tree.vmLock(uuid), named: null },
  vmProgress: { path: tree.vmProgress(uuid), named: null },
  guests: { path: tree.guests('node2'), named: null },
  drain: { path: tree.drain('node2'), named: /\/nodes\/node2\/drain cannot be read/ },
  history: { path: `${tree.history}/e-foreign`, named: null },
  /** Read only while a ZooKeeper server hangs (server-restart.test.ts). */
  serverRestart: { path: tree.serverRestart, named: null },
};

/** A cluster that is well, with a VM that runs on node2. */
async function wellCluster(): Promise<{ world: World; broken: () => Finding[] }> {
  const set = {
    'keepalive.interval': '1s',
    'detection.savingThrows': 3,
    'primary.resources': 'vip',
    'vms.enabled': true,
    'vms.checkInterval': '1s',
    'fencing.verifyInterval': '5s',
  };
  const world = new World({ seed: 11, nodes: simCluster({ nodes: 3, set }), bootMs: 3000 });
  const answers = checkers.map(({ rule, watch }) => ({ rule, found: watch(world) }));
  const broken = () => answers.flatMap(({ rule, found }) => found().map((text) => ({ rule, text })));
  world.powerAll();
  await world.time.runUntil(8000);
  obey(world, 'vm vm1 define node2');
  await world.time.runUntil(10_000);
  obey(world, 'vm vm1 start');
  await world.time.runUntil(14_000);
  return { world, broken };
}

it.each(Object.entries(places))('%s', async (_, { path, named, then }) => {
  const unnamed: string[] = [];
  for (const [kind, textOf] of Object.entries(bad)) {
    const { world, broken } = await wellCluster();
    const orders: string[] = [];
    world.onOrder = (by, target, power) => orders.push(`${by} orders ${target} ${power}`);
    const boots = [...world.machines.values()].map(({ boots: count }) => count);
    const lives = [...world.agents.values()].map(({ identity }) => identity.incarnation);
    const before = world.ensemble.read(path);
    world.ensemble.vandalise(path, textOf(before.ok ? before.value.text : ''));
    const from = world.trace.lines.length;
    if (then !== undefined) obey(world, then);
    await world.time.runUntil(world.time.nowMs + 12_000);
    const lines = world.trace.lines.slice(from).map(({ event, because }) => `${event} | ${because}`);
    if (named !== null && !lines.some((line) => named.test(line))) unnamed.push(kind);
    expect({ kind, broken: broken(), orders }).toEqual({ kind, broken: [], orders: [] });
    expect({ kind, boots: [...world.machines.values()].map(({ boots: count }) => count) }).toEqual({ kind, boots });
    const livesNow = [...world.agents.values()].map(({ identity }) => identity.incarnation);
    if (then === undefined) expect({ kind, livesNow }).toEqual({ kind, livesNow: lives });
    expect({ kind, states: [...world.agents.values()].map(({ board }) => board.daemonState) }).toEqual({
      kind,
      states: ['run', 'run', 'run'],
    });
    // A VM whose record is bad is left alone: its guest goes on.
    expect({ kind, guest: world.machine('node2').guests.get(uuid)?.power }).toEqual({ kind, guest: 'running' });
    expect({ kind, vip: [...world.machines.values()].filter(({ running }) => running.has('vip')).length }).toEqual({
      kind,
      vip: 1,
    });
  }
  expect(unnamed).toEqual([]);
});
