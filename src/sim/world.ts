/**
 * A simulated cluster: machines, BMCs, one store, a network with cuts, and on each machine the very agent that runs in
 * production. Faults are plain methods; scenario.ts gives them the words that people write.
 */
import { Agent } from '../agent/agent.ts';
import type { Config } from '../config/load.ts';
import type { Guest } from '../core/vm.ts';
import type { StorageFence } from '../environment/storage-fence.ts';
import type { Watchdog } from '../environment/watchdog.ts';
import type { ZooKeeperServers } from '../environment/zookeeper-servers.ts';
import type { Environment } from '../environment/environment.ts';
import type { FenceDevice } from '../records/device.ts';
import { rememberParsed } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { SimPower } from './bmc.ts';
import type { SimBmc } from './bmc.ts';
import { VirtualTime } from './clock.ts';
import { simCommands } from './commands.ts';
import { SimEnsemble } from './ensemble.ts';
import type { LibvirtMode, LibvirtTimes } from './hypervisor.ts';
import { SimHypervisor, usualTimes } from './hypervisor.ts';
import { simJournal } from './journal.ts';
import { simLog } from './log.ts';
import { SimMachine } from './machine.ts';
import type { SimEndpoint } from './peer-api.ts';
import { SimPeerApi } from './peer-api.ts';
import type { SimProcess } from './process.ts';
import { SeededRandom } from './random.ts';
import type { ResourceMode } from './resources.ts';
import { simResources } from './resources.ts';
import { plainSecrets, simPassword } from './secrets.ts';
import { simStorageFence } from './storage-fence.ts';
import { SimStore } from './store.ts';
import { simSubsystem } from './subsystem.ts';
import { SimMetrics } from './metrics.ts';
import { SimSupervisor } from './supervisor.ts';
import { Trace } from './trace.ts';
import type { WatchdogKind } from './watchdog.ts';
import { simWatchdog } from './watchdog.ts';
import { WrongAddresses } from './wrong-addresses.ts';
import { simZooKeeperServers } from './zookeeper-servers.ts';

export interface SimNode {
  readonly name: string;
  readonly config: Config;
}

export interface WorldOptions {
  readonly seed: number;
  readonly nodes: readonly SimNode[];
  /** How long a machine needs from power on to a running noded. */
  readonly bootMs?: number;
  /** The store is there only while most of the coordinators have been up for a boot, and can reach each other. */
  readonly storeOnCoordinators?: boolean;
  /** ZooKeeper servers; default 1, which never lags. */
  readonly zookeepers?: number | undefined;
  /** How fast each machine's monotonic clock runs; default 1. */
  readonly clockRates?: Readonly<Record<string, number>> | undefined;
  /** Lines below this level are left out of the trace. */
  readonly traceLevel?: 'debug' | 'info';
}

/** `nodectl fence` looks at its fence's record so often. */
const nodectlLooksMs = 100;
/** How long `nodectl fence` sees a fence as failed before nothing else is tried in this round. */
const nodectlWaitsMs = 3000;

export class World {
  readonly time = new VirtualTime();
  readonly trace: Trace;
  readonly ensemble: SimEnsemble;
  readonly machines = new Map<string, SimMachine>();
  /** Machines whose name another one has got; they may still run what they ran. */
  readonly replaced: SimMachine[] = [];
  readonly bmcs = new Map<string, SimBmc>();
  readonly agents = new Map<string, Agent>();
  /** Of each node's newest noded. */
  readonly supervisors = new Map<string, SimSupervisor>();
  /** Of the newest life of each node. */
  readonly metrics = new Map<string, SimMetrics>();
  /** Nodes that are cut off from the store, from the BMCs. */
  readonly cutFromStore = new Set<string>();
  readonly cutFromBmcs = new Set<string>();
  readonly cutFromPeers = new Set<string>();
  /** Resources and hooks that fail or hang, as "node resource" or "node hook-takeover". */
  readonly resourceModes = new Map<string, ResourceMode>();
  /** Called when a resource of the primary begins or ceases to run somewhere: the checkers listen here. */
  onResource: (node: string, resource: string, running: boolean, epoch: number | null) => void = () => undefined;
  /** Called when a node starts or stops a resource, before anything comes of it: the checkers listen here. */
  onAct: (node: string, resource: string) => void = () => undefined;
  /** What libvirt does on a node, if it is not well. */
  readonly libvirtModes = new Map<string, LibvirtMode>();
  /** How long things take its libvirt, if not as usual. */
  readonly libvirtTimes = new Map<string, LibvirtTimes>();
  /** Called when a guest begins or ceases to run somewhere. */
  onGuest: (node: string, uuid: string, guest: Guest | null) => void = () => undefined;
  readonly addresses = new WrongAddresses();
  /** The API of each noded, by node. */
  readonly endpoints = new Map<string, SimEndpoint>();
  /** Nodes that have no watchdog device, whatever is configured. */
  readonly withoutWatchdog = new Set<string>();
  /** What a node's watchdog is like, if it is not well made; looked at when noded starts. */
  readonly watchdogKinds = new Map<string, WatchdogKind>();
  /** Nodes whose reset command does nothing. */
  readonly withoutReset = new Set<string>();
  /** Subsystems that hang, as "node subsystem". */
  readonly hanging = new Set<string>();
  /** Nodes that do not hear the answer to their next write. */
  readonly losingAnswer = new Set<string>();
  /** Nodes whose keepalive writes the store refuses; it takes everything else. */
  readonly refusingKeepalive = new Set<string>();
  /** Of the newest life of each node. */
  readonly stores = new Map<string, SimStore>();
  /** In the world's time: when each node's newest acknowledged write was sent. */
  readonly lastAckSentAtMs = new Map<string, number>();
  /** The same of its newest acknowledged keepalive. */
  readonly lastKeepaliveSentAtMs = new Map<string, number>();
  /** Called when a node orders a machine on or off, before anything becomes of it: the checkers listen here. */
  onOrder: (by: string, target: string, power: 'on' | 'off') => void = () => undefined;
  /** The session of somebody with nodectl; it lives as long as the world. */
  readonly operatorSession: string;
  private readonly random: SeededRandom;
  private readonly options: WorldOptions;

  constructor(options: WorldOptions) {
    rememberParsed();
    this.options = options;
    this.random = new SeededRandom(options.seed);
    this.trace = new Trace(this.time);
    this.ensemble = new SimEnsemble(this.time, options.nodes[0]?.config.zookeeper.tickTime ?? 2000, options.zookeepers);
    this.operatorSession = this.ensemble.openSession(Number.MAX_SAFE_INTEGER);
    this.ensemble.onWrite = (path, text) => this.nodectlReads(path, text);
    for (const node of options.nodes) this.addMachine(node);
  }

  machine(name: string): SimMachine {
    const machine = this.machines.get(name);
    if (machine === undefined) throw new Error(`no machine "${name}" in this world`);
    return machine;
  }

  /** The BMC of a node, or any device by its own address. */
  bmc(name: string): SimBmc {
    const bmc = this.bmcs.get(`bmc-${name}`) ?? this.bmcs.get(name);
    if (bmc === undefined) throw new Error(`no device "${name}" in this world`);
    return bmc;
  }

  config(name: string): Config {
    const node = this.options.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`no node "${name}" in this world`);
    return node.config;
  }

  /**
   * `nodectl fence` ends when its fence has come to an outcome: its request goes with its session. A failed attempt is none as long as
   * another coordinator, or another level, is tried at once.
   */
  private nodectlReads(path: string, text: string): void {
    if (!/^\/fencing\/[^/]+$/.test(path) || !text.startsWith('{')) return;
    const answered = /"requestId":"(r-[0-9]+)"/.exec(text)?.[1];
    const outcome = /"state":"(failed|cancelled|finished|closed)"/.exec(text)?.[1];
    if (answered === undefined || outcome === undefined) return;
    this.time.after(outcome === 'failed' ? nodectlWaitsMs : nodectlLooksMs, () => {
      const fence = this.ensemble.read(path);
      if (outcome === 'failed' && !(fence.ok && fence.value.text === text)) return;
      const read = this.ensemble.read(`/requests/${answered}`);
      if (read.ok) this.ensemble.remove(`/requests/${answered}`, read.value.version);
    });
  }

  /** Powers every machine on. */
  powerAll(): void {
    for (const machine of this.machines.values()) machine.powerOn();
  }

  run(forMs: number): Promise<void> {
    return this.time.runUntil(this.time.nowMs + forMs);
  }

  /** SIGTERM to a node's noded; a second one is `fast`. */
  stopNoded(name: string, kind: 'graceful' | 'fast' = 'graceful'): void {
    const machine = this.machine(name);
    machine.stoppedOnPurpose = true;
    const agent = this.agents.get(name);
    machine.process?.deliver(() => agent?.stop(kind, 'SIGTERM')); // who is frozen hears of it afterwards
  }

  /** For faults: other hardware, with an empty disk, gets the node's name, configuration, cables and BMC address; what the old one runs goes on. */
  replaceMachine(name: string): void {
    const old = this.machine(name);
    old.process?.freeze(); // its network cable is in the other one
    this.replaced.push(old);
    const node = this.options.nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`no node "${name}" in this world`);
    this.addMachine(node, `${name}-${this.replaced.length + 1}`);
    this.machine(name).powerOn();
  }

  private addMachine(node: SimNode, hardware = node.name): void {
    const machine = new SimMachine({
      name: node.name,
      hardware,
      time: this.time,
      bootMs: this.options.bootMs ?? 5000,
      restartMs: 1000,
      clockRate: this.options.clockRates?.[node.name] ?? 1,
      start: (which, process) => this.startAgent(node, which, process),
      onPower: (which, power) => {
        this.trace.line(which.name, `power ${power}`, '');
        if (power === 'off') this.countServers();
        else this.time.after((this.options.bootMs ?? 5000) + 1000, () => this.countServers());
      },
    });
    this.machines.set(node.name, machine);
    const address = `bmc-${node.name}`;
    this.bmcs.set(address, { address, machine, outlet: null, ...newBmc() });
    for (const { options } of node.config.fencing.devices) {
      const at = options['ip'] ?? '';
      // Nobody pulls the plugs of a machine that is replaced: they are where they were.
      if (!this.bmcs.has(at)) this.bmcs.set(at, { address: at, machine, outlet: { on: true }, ...newBmc() });
    }
  }

  private async startAgent(node: SimNode, machine: SimMachine, process: SimProcess): Promise<void> {
    // What is left of a machine that was replaced has no cables any more: what its noded does there nobody sees.
    if (this.machines.get(node.name) !== machine) return new Promise(() => undefined);
    const env = this.environment(node, machine, process);
    const agent = new Agent(env, {
      config: node.config,
      name: node.name,
      version: 'sim',
      devices: devicesOf(node),
    });
    this.agents.set(node.name, agent);
    const ending = await agent.run();
    if (process.alive) this.trace.line(node.name, `ended: ${ending.kind}`, ending.because);
  }

  private environment(node: SimNode, machine: SimMachine, process: SimProcess): Environment {
    const random = this.random.fork();
    const { name } = node;
    const supervisor = new SimSupervisor();
    this.supervisors.set(name, supervisor);
    const metrics = new SimMetrics();
    this.metrics.set(name, metrics);
    const chance = random.fork();
    const store = this.storeOf(node, process, random);
    this.stores.set(name, store);
    return {
      clock: process,
      random: chance,
      log: simLog(name, process, this.trace, this.options.traceLevel ?? 'info'),
      store,
      servers: this.serversOf(node, process),
      power: new SimPower({
        process,
        random: random.fork(),
        self: name,
        bmcs: this.bmcs,
        worldMs: () => this.time.nowMs,
        reaches: () => !this.cutFromBmcs.has(name),
        onSend: (target, power) => this.onOrder(name, target, power),
      }),
      secrets: plainSecrets,
      supervisor,
      metrics,
      subsystems: [simSubsystem('system', process, () => this.hanging.has(`${name} system`))],
      machine: identityOf(machine),
      processLives: () => false,
      primary: simResources({
        machine,
        process,
        random: random.fork(),
        resources: node.config.primary.resources,
        modeOf: (what) => this.resourceModes.get(`${name} ${what}`) ?? 'ok',
        onChange: (what, running, facts) => {
          this.trace.line(
            name,
            `${what} ${running ? 'runs' : 'is stopped'}`,
            facts === null ? 'by itself' : `epoch ${facts.epoch}`,
          );
          this.onResource(name, what, running, facts?.epoch ?? null);
        },
        onAct: (what) => this.onAct(name, what),
        onHook: (kind, facts) => this.trace.line(name, `hook ${kind}`, `epoch ${facts.epoch}: ${facts.reason}`),
      }),
      commands: simCommands(machine, process, (cgroup) => {
        this.trace.line(name, `${cgroup} is ended`, 'by noded');
        this.onResource(name, cgroup, false, null);
      }),
      journal: simJournal(machine.disk, process, () => this.hanging.has(`${name} disk`)),
      memory: simJournal(machine.memory, process, () => false),
      peerApi: new SimPeerApi({
        process,
        random: random.fork(),
        self: name,
        endpoints: this.endpoints,
        addresses: this.addresses,
        reaches: (address) =>
          !this.cutFromPeers.has(name) && !this.cutFromPeers.has(address) && this.machines.get(address)?.power === 'on',
      }),
      hypervisor: this.hypervisorOf(node, machine, process, random),
      storageFence: this.storageFenceOf(node, process),
      watchdog: this.watchdogOf(node, machine, process),
      reset: { resetMachine: (because) => this.resetMachine(machine, because) },
    };
  }

  private storeOf({ name, config }: SimNode, process: SimProcess, random: SeededRandom): SimStore {
    return new SimStore({
      time: this.time,
      process,
      ensemble: this.ensemble,
      servers: config.zookeeper.servers,
      random: random.fork(),
      sessionTimeoutMs: config.timing.sessionTimeoutMs,
      connectTimeoutMs: config.timing.connectTimeoutMs,
      reaches: () => !this.cutFromStore.has(name),
      losesAnswer: () => this.losingAnswer.delete(name),
      refuses: (path) => (path === tree.keepalive(name) && this.refusingKeepalive.has(name) ? 'no-auth' : null),
      onWritten: (path, sentAtMs) => {
        if (path === tree.keepalive(name)) this.lastKeepaliveSentAtMs.set(name, sentAtMs);
      },
      onAck: (sentAtMs) => this.lastAckSentAtMs.set(name, sentAtMs),
    });
  }

  private serversOf(node: SimNode, process: SimProcess): ZooKeeperServers {
    const { name, config } = node;
    const { servers, restartCommand, restartTimeout } = config.zookeeper;
    return simZooKeeperServers({
      process,
      ensemble: this.ensemble,
      servers,
      index: this.options.nodes.indexOf(node),
      reaches: () => !this.cutFromStore.has(name),
      timeoutMs: restartCommand === undefined ? null : restartTimeout,
      mode: () => this.resourceModes.get(`${name} zookeeper-restart`) ?? 'ok',
      onRestart: (server, what) => this.trace.line(name, `restart ${what}`, server),
    });
  }

  private storageFenceOf({ name, config }: SimNode, process: SimProcess): StorageFence | null {
    const { storageFence } = config.vms;
    if (storageFence === undefined) return null;
    return simStorageFence({
      process,
      timeoutMs: storageFence.timeout,
      mode: () => this.resourceModes.get(`${name} storage-fence`) ?? 'ok',
      onCutOff: (node) => this.trace.line(name, 'storage', `${node} is cut off`),
    });
  }

  private hypervisorOf(
    { name, config }: SimNode,
    machine: SimMachine,
    process: SimProcess,
    random: SeededRandom,
  ): SimHypervisor | null {
    if (!config.vms.enabled) return null;
    return new SimHypervisor({
      machine,
      process,
      random: random.fork(),
      timeoutMs: config.vms.commandTimeout,
      modeOf: (node) => this.libvirtModes.get(node) ?? 'ok',
      times: () => this.libvirtTimes.get(name) ?? usualTimes,
      machineAt: (address) => {
        const found = this.machines.get(address);
        const isCut = this.cutFromPeers.has(name) || this.cutFromPeers.has(address);
        return found?.power === 'on' && !isCut ? found : null;
      },
      onGuest: (which, uuid, guest) => {
        this.trace.line(
          which.name,
          `guest ${uuid.slice(-4)}`,
          guest === null ? 'gone' : `${guest.power} (${guest.reason})`,
        );
        this.onGuest(which.name, uuid, guest);
      },
    });
  }

  /** ZooKeeper's own majority, where its servers run on the coordinators. */
  private countServers(): void {
    if (this.options.storeOnCoordinators !== true) return;
    const servers = this.options.nodes.filter((node) => node.config.node.role === 'coordinator');
    const up = servers.filter(({ name }) => this.machine(name).power === 'on');
    const isThere = up.length > servers.length / 2;
    if (isThere !== this.ensemble.isAvailable())
      this.trace.line('story', isThere ? 'ZooKeeper has a quorum' : 'ZooKeeper has lost its quorum', '');
    this.ensemble.setAvailable(isThere);
  }

  private watchdogOf({ name, config }: SimNode, machine: SimMachine, process: SimProcess): Watchdog | null {
    if (config.node.watchdog === undefined) return null;
    return simWatchdog({
      machine,
      process,
      time: this.time,
      timeoutMs: config.node.watchdog.timeout,
      exists: () => !this.withoutWatchdog.has(name),
      kind: () => this.watchdogKinds.get(name) ?? {},
      onReset: () => this.trace.line(name, 'watchdog resets the machine', ''),
    });
  }

  private resetMachine(machine: SimMachine, because: string): Promise<void> {
    const works = !this.withoutReset.has(machine.name);
    this.trace.line(machine.name, works ? 'machine reset' : 'reset does not work', because);
    if (works) machine.reset();
    return Promise.resolve();
  }
}

function newBmc(): Pick<
  SimBmc,
  'mode' | 'slowMs' | 'restartUntilMs' | 'firstAskedMs' | 'leadsTo' | 'orders' | 'probes'
> {
  return {
    mode: 'ok',
    slowMs: 0,
    restartUntilMs: -Infinity,
    firstAskedMs: null,
    leadsTo: null,
    orders: [],
    probes: [],
  };
}

function devicesOf({ config }: SimNode): FenceDevice[] {
  const { bmc, fencing } = config;
  const ipmi: FenceDevice[] =
    bmc === undefined
      ? []
      : [
          {
            kind: 'ipmi',
            name: 'ipmi',
            address: bmc.address,
            port: 623,
            username: 'nodekeeper',
            password: simPassword,
            cipherSuites: [3],
            privilege: 'operator',
            commandTimeoutMs: bmc.commandTimeout,
            delayMs: bmc.delay,
            retries: bmc.retries,
          },
        ];
  const agents = fencing.devices.map((device): FenceDevice => ({
    kind: 'agent',
    name: device.name,
    agent: device.agent,
    options: device.options,
    secrets: {},
    commandTimeoutMs: device.timeout,
    delayMs: device.delay,
    retries: device.retries,
  }));
  return [...ipmi, ...agents];
}

function identityOf({ name, hardware, boots }: SimMachine): Environment['machine'] {
  return {
    bootId: `boot-${hardware}-${boots}`,
    machineId: `machine-${hardware}`,
    hostname: name,
    pid: 1000 + boots,
    systemGuid: `guid-${hardware}`,
  };
}
