/**
 * One life of a noded: starts the loops in order, ends them in order. The keepalive is the first to start and the last
 * to stop (S8); everything else are duties that come and go beside it.
 */
import type { Config } from '../config/load.ts';
import { inWords } from '../core/decision.ts';
import type { Environment } from '../environment/environment.ts';
import { Disk } from './disk.ts';
import type { FenceDevice } from '../records/device.ts';
import { tree } from '../records/tree.ts';
import { runCollectors } from './collectors.ts';
import { lookAtOwnFence } from './fencing/condemned.ts';
import { Bell } from './bell.ts';
import type { Beat, Board, Context, Identity } from './context.ts';
import { newBoard } from './context.ts';
import { DeviceBook } from './fencing/device-book.ts';
import { createHistory } from './history.ts';
import { inventory } from './inventory.ts';
import { KeepaliveLoop } from './keepalive.ts';
import { pacedStore } from './paced-store.ts';
import { Peers } from './peers.ts';
import { claimName, closeOwnFence, makeTree, mayRejoin, mayUseTree, register } from './registration.ts';
import { PrimaryLoop } from './primary/primary.ts';
import { answerer } from './primary/answers.ts';
import { readLeft } from './left.ts';
import { watchMaintenances } from './maintenance.ts';
import { SelfFence } from './self-fence.ts';
import { ServerRestarter } from './server-restart.ts';
import { refusedInWords, storeGate } from './store-gate.ts';
import { StoreRestore } from './store-restore.ts';
import { QuorumLoop } from './quorum.ts';
import { Verifier } from './verifier.ts';
import { VmDuties } from './vms/vm-duties.ts';
import { Watch } from './watch.ts';
import { WitnessedStore } from './witnessed-store.ts';

export interface AgentSettings {
  readonly config: Config;
  readonly name: string;
  readonly version: string;
  /** What can switch this machine off, passwords included. */
  readonly devices: readonly FenceDevice[];
}

/** Why a life ended: told to, told to stay out, the name is taken, recorded as fenced while alive, or the store knows it no more. */
export interface Ending {
  readonly kind: 'stopped' | 'left' | 'name-taken' | 'fenced-alive' | 'forgotten';
  readonly because: string;
}

/** What a graceful stop may take, the hand-over of the primary role not counted, before the keepalive ends. */
export const stopDeadlineMs = 30_000;
/** The last keepalive (5 s at most), the history, the end of the session. */
const stopTailMs = 10_000;
/** Pause between two tries to join. */
const joinRetryMs = 500;
/** So many keepalives are published between two beats after a restore, and so far apart. */
const keepalivesAfterRestore = 4;
const keepaliveAfterMs = 300;
/** How often the hold on the name is looked at without any hint. */
const holdLookMs = 10_000;

export class Agent {
  readonly identity: Identity;
  readonly board: Board;
  private readonly env: Environment;
  private readonly store: WitnessedStore;
  private readonly settings: AgentSettings;
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly restore: StoreRestore;
  /** Of what waits for no other loop's reads. */
  private readonly urgent: Context;
  private readonly duties = new AbortController();
  private readonly beating = new AbortController();
  private readonly stopping = new AbortController();
  private readonly steering = new AbortController();
  private readonly ended = new AbortController();
  private poke: () => void = () => undefined;
  private ending: Ending | null = null;
  /** The loops of this life, for the counts of `state`. */
  private readonly loops: Record<string, object | null> = {};

  constructor(env: Environment, settings: AgentSettings) {
    const { config, name, version } = settings;
    const store = new WitnessedStore({
      store: env.store,
      path: tree.keepalive(name),
      self: name,
      onSetBack: (because) => this.forgetStore(because),
      clock: env.clock,
    });
    const disk = new Disk(env.journal, env.clock, (trouble) => this.diskChanged(trouble));
    env = { ...env, store, journal: disk };
    this.env = env;
    this.store = store;
    this.settings = settings;
    const incarnation = `${env.machine.bootId}:${env.random.id()}`;
    this.identity = { name, role: config.node.role, priority: config.node.priority, incarnation, version };
    this.board = newBoard(config.node.role);
    const history = createHistory(this.identity, env, config.history.maxEvents);
    // The keepalive and the own fence are looked at by `urgent`: they wait for nobody's reads.
    const paced = { ...env, store: pacedStore(store, env.clock, config.timing.requestTimeoutMs) };
    this.peers = new Peers(paced, history);
    this.context = {
      env: paced,
      config,
      self: this.identity,
      board: this.board,
      history,
      devices: new DeviceBook(name, paced, history, this.peers),
      duties: this.duties.signal,
      life: this.beating.signal,
    };
    this.urgent = { ...this.context, env };
    this.restore = new StoreRestore(this.context, this.peers, store);
    env.store.guard(storeGate(this.context, (because) => this.forgetStore(because)));
  }

  /** Lives until told to stop, or until this life must end. */
  async run(): Promise<Ending> {
    const { env, board, context, peers, restore } = this;
    const stopContradictions = this.hearContradictions();
    const primary = context.self.role === 'coordinator' ? this.newPrimary() : null;
    const quorum = new QuorumLoop(context, peers);
    const stopAsking = restore.run(quorum.recalled(), {
      onEpoch: (seen) => primary?.learnEpoch(seen),
      onAsked: () => primary?.wake(),
    });
    this.serve(primary, quorum);
    Object.assign(this.loops, { peers, primary, quorum });
    // Before all else: what a former life left running of the primary is stopped.
    await primary?.cleanUp();
    const selfFence = new SelfFence(context, primary?.tenure ?? null);
    await selfFence.arm();
    void selfFence.run(this.ended.signal); // ends with this life, and waits for nothing
    const collecting = runCollectors(context);
    void quorum.run(); // also without a store: it is for then
    if (await this.join()) {
      const watch = new Watch(context, peers, (from, keepalive) => restore.heard(from, keepalive));
      const keepalive = new KeepaliveLoop(
        this.urgent,
        (beat, isBeat) => {
          void primary?.tenure.prove();
          if (isBeat) void this.afterBeat(beat, watch);
        },
        (kind, because) => this.endByStore({ kind, because }),
        (replaced) => restore.judgePrevious(replaced),
      );
      const verifier = new Verifier(context, peers);
      const vms = env.hypervisor === null ? null : new VmDuties(context, env.hypervisor, peers);
      Object.assign(this.loops, { watch, keepalive, verifier, vms });
      this.poke = () => keepalive.poke();
      restore.forgetting.push(
        () => peers.readAgain(),
        () => watch.beginAgain(),
        () => keepalive.forgetStore(),
        () => primary?.forgetStore(),
        () => verifier.forgetStore(),
        () => vms?.forgetStore(),
        () => board.lastBeat !== null && void this.registerAgain(),
      );
      const beating = keepalive.run(this.beating.signal);
      const steering = primary?.run(this.steering.signal) ?? Promise.resolve();
      const rejoined = this.takeUpDuties().finally(() => primary?.wake());
      const verifying = rejoined.then((taken) => (taken ? verifier.run() : undefined));
      const watching = this.holdName();
      Object.assign(this.loops, { restarter: this.beside(rejoined) });
      const keeping = rejoined.then((taken) => (taken ? vms?.run() : undefined));
      await this.stopped();
      await this.shutDown({
        keepalive,
        watch,
        primary,
        vms,
        beating,
        steering,
        loops: [rejoined, verifying, watching, steering, keeping],
      });
    }
    this.duties.abort();
    // Who still holds something leaves the watchdog armed: it ends what could not be ended.
    if (primary?.tenure.holdsRole() !== true) await selfFence.disarm();
    this.ended.abort();
    void collecting; // each collection ends by its own deadline; nobody waits for it here
    const ending = this.ending ?? { kind: 'stopped', because: 'told to stop' };
    await env.peerApi.close();
    stopAsking();
    stopContradictions();
    await env.store.close(board.daemonState === 'stop' ? 2000 : 500);
    return ending;
  }

  /** Of a coordinator. A restart that is under way when duties end goes on until the keepalive does; nobody waits for it. */
  private beside(rejoined: Promise<boolean>): ServerRestarter | null {
    const { context, peers } = this;
    if (context.self.role !== 'coordinator') return null;
    const restarter = new ServerRestarter(context, peers);
    void rejoined.then((taken) => (taken ? Promise.all([restarter.run(), watchMaintenances(context)]) : null));
    return restarter;
  }

  private serve(primary: PrimaryLoop | null, quorum: QuorumLoop): void {
    const { env, context, peers, restore } = this;
    const witness = () => this.store.witnessed();
    const onTold = (from: string, restores: number) => restore.told(from, restores);
    env.peerApi.serve(answerer(context, peers, { primary, quorum, witness, onTold }));
  }

  private newPrimary(): PrimaryLoop {
    const onSetBack = (because: string) => this.forgetStore(because);
    return new PrimaryLoop(this.context, this.peers, () => this.poke(), onSetBack);
  }

  private hearContradictions(): () => void {
    const { history, self } = this.context;
    return this.env.store.onContradiction((because) =>
      history.happened('store-contradicts', because, { node: self.name }),
    );
  }

  /** Graceful at first; `fast` waits for nothing any more. */
  stop(kind: 'graceful' | 'fast', because: string): void {
    this.ending ??= { kind: 'stopped', because };
    this.stopping.abort();
    if (kind === 'fast') {
      this.duties.abort();
      this.steering.abort();
      this.beating.abort();
    }
  }

  /** For SIGQUIT: what this noded holds true right now. */
  state(): Record<string, unknown> {
    const { board, identity, env } = this;
    return {
      identity,
      daemonState: board.daemonState,
      steppedDown: board.steppedDown,
      session: env.store.session(),
      lastBeat: board.lastBeat,
      lateMs: board.lateMs,
      peers: Object.fromEntries(board.peers),
      subsystems: Object.fromEntries(board.subsystems),
      counts: this.counts(),
    };
  }

  private diskChanged(trouble: string | null): void {
    const { board, history, self } = this.context;
    board.diskTrouble = trouble;
    const because = trouble ?? 'the disk answers again';
    history.happened('disk', `${self.name}: ${because}`, { node: self.name });
  }

  /** How many things each list of this life holds: none of them grows with its age. */
  counts(): Record<string, number> {
    const { board, loops, context } = this;
    return { ...inventory({ board, ...loops }), ...context.env.store.counts?.() };
  }

  /** ZooKeeper was restored from an old copy: what it says of this node is of the past. A node that has joined registers again. */
  private forgetStore(because: string): void {
    this.restore.note(because);
  }

  private endByStore(ending: Ending): void {
    if (this.ending !== null) return;
    this.ending = ending;
    void this.restore.lifeEnds(ending.because).then(async (isKept) => {
      // What was seen here must not be lost with this life: without a disk it goes on, and registers again itself.
      if (isKept || ending.kind !== 'forgotten' || !(await this.takePlaceAgain())) this.stopping.abort();
      else {
        this.ending = null;
        this.forgetStore(ending.because);
      }
    });
  }

  /** False: told to stop meanwhile, or the name is held elsewhere by now: the next life says so. */
  private async takePlaceAgain(): Promise<boolean> {
    const { env, context } = this;
    while (!this.stopping.signal.aborted) {
      const isThere = env.store.session().state === 'connected' && (await makeTree(context)).ok;
      const claimed = isThere ? await claimName(context) : null;
      if (claimed !== null && claimed.kind !== 'wait') return claimed.kind === 'claimed';
      await env.clock.sleep(100, this.stopping.signal);
    }
    return false;
  }

  /** Whoever noticed the restore: the copy may be of the moment before this life closed the fence of its former one. */
  private async registerAgain(): Promise<void> {
    const { env, context, settings } = this;
    const setBackAtMs = context.board.setBackAtMs;
    while (!this.duties.signal.aborted && context.board.setBackAtMs === setBackAtMs) {
      const isRegistered = env.store.session().state === 'connected' && (await register(context, settings.devices));
      // A fence of a former life stands in the copy, which ended when this one began.
      if (isRegistered && (await closeOwnFence(context))) break;
      await env.clock.sleep(100, this.duties.signal);
    }
    // The others wait for keepalives of now: a long interval need not make them wait for its whole length.
    for (let count = 0; count < keepalivesAfterRestore; count += 1) {
      await env.clock.sleep(keepaliveAfterMs, this.duties.signal);
      this.poke();
    }
  }

  private end(ending: Ending): void {
    this.ending ??= ending;
    this.stopping.abort();
  }

  private async stopped(): Promise<void> {
    while (!this.stopping.signal.aborted) await this.env.clock.sleep(3_600_000, this.stopping.signal);
  }

  /** Waits for the store, holds the name, waits for an own fence to finish, registers. False: this life ends here. */
  private async join(): Promise<boolean> {
    const { env, context, settings } = this;
    let told = '';
    const tell = (because: string) => {
      if (because !== told) env.log.info('waiting to join', { because });
      told = because;
    };
    // A restart is a race against the saving throws: the moment that the store is there, this goes on.
    const bell = new Bell(env.clock, this.stopping.signal);
    const stopListening = env.store.onSession(bell.ring);
    try {
      while (!this.stopping.signal.aborted) {
        bell.listen();
        context.board.keepaliveTurnMs = env.clock.monotonicMs();
        const hindrance = await this.tryJoin(settings.devices);
        if (hindrance === null) return true;
        if (this.ending !== null) return false;
        tell(hindrance);
        env.supervisor.alive(hindrance);
        await bell.wait(joinRetryMs);
      }
    } finally {
      stopListening();
    }
    context.board.daemonState = 'stop';
    return false;
  }

  private async tryJoin(devices: readonly FenceDevice[]): Promise<string | null> {
    const { env, context } = this;
    if (env.store.session().state !== 'connected') return `${refusedInWords(context)}; nobody is fenced from here`;
    const made = await makeTree(context);
    if (!made.ok) return made.because;
    const exposed = await mayUseTree(context);
    if (exposed !== null) return exposed;
    const claimed = await claimName(context);
    if (claimed.kind === 'taken') {
      this.end({ kind: 'name-taken', because: claimed.because });
      return claimed.because;
    }
    if (claimed.kind === 'wait') return claimed.because;
    const fence = await mayRejoin(context);
    if (fence !== null) return fence;
    const left = await readLeft(context);
    if (left === null) return 'the mark of having left could not be read';
    if (left.left) return `this node has left the cluster (${left.because}); "nodectl join" lets it in again`;
    return (await register(context, devices)) ? null : 'the registration could not be written';
  }

  /** After the first acknowledged keepalive: closes the former life's fence and says `run`. False: stopped before that. */
  private async takeUpDuties(): Promise<boolean> {
    const { env, board, context } = this;
    while (!this.stopping.signal.aborted) {
      if (board.lastBeat !== null && (await closeOwnFence(context))) {
        board.daemonState = 'run';
        context.history.happened('node-started', `${this.identity.name} is up (${this.identity.role})`, {
          node: this.identity.name,
          evidence: { incarnation: this.identity.incarnation, version: this.identity.version },
        });
        env.supervisor.ready('keepalive published');
        return true;
      }
      await env.clock.sleep(100, this.stopping.signal);
    }
    return false;
  }

  private async afterBeat(beat: Beat, watch: Watch): Promise<void> {
    const doomed = await lookAtOwnFence(this.urgent);
    if (doomed !== null) {
      this.env.log.error('this life ends', { because: doomed });
      this.end({ kind: 'fenced-alive', because: doomed });
      return;
    }
    const left = await readLeft(this.urgent);
    if (left?.left === true) this.end({ kind: 'left', because: `told to leave: ${left.because}` });
    if (this.board.daemonState === 'run') await watch.look(beat);
    this.restore.look();
    await this.context.history.flush();
  }

  /** Puts the name's ephemeral back after a session was lost; ends this life when another took the name. */
  private async holdName(): Promise<void> {
    const { env, context } = this;
    let heldIn = env.store.session().generation;
    const bell = new Bell(env.clock, this.duties.signal);
    const stopListening = env.store.onSession(bell.ring);
    while (!this.duties.signal.aborted) {
      bell.listen();
      const session = env.store.session();
      if (session.state === 'connected' && session.generation !== heldIn) {
        const claimed = await claimName(context);
        if (claimed.kind === 'claimed') heldIn = session.generation;
        // In a restored store an older session of this name stands until it expires.
        if (claimed.kind === 'taken' && !this.restore.oldSessionsStand())
          this.endByStore({ kind: 'name-taken', because: claimed.because });
      }
      const isHeld = env.store.session().generation === heldIn;
      await bell.wait(isHeld ? holdLookMs : joinRetryMs);
    }
    stopListening();
  }

  /** Says `shutdown`, hands the role on, lets go of everything, says `stop`, and only then stops beating. */
  private async shutDown({ keepalive, watch, primary, vms, beating, steering, loops }: Running): Promise<void> {
    const { env, board, context, identity, settings } = this;
    const because = this.ending?.because ?? 'told to stop';
    const clean = this.ending?.kind === 'stopped' || this.ending?.kind === 'left';
    let released = true;
    env.supervisor.stopping(`stopping: ${because}`, this.stopWithinMs(clean));
    if (clean) {
      board.shutdownMs = this.shutdownMs();
      board.daemonState = 'shutdown';
      keepalive.poke();
      context.history.happened('node-stopping', `${identity.name} is stopping: ${because}`, { node: identity.name });
      const { handOverTimeout } = settings.config.primary;
      const why = `${identity.name} is stopping: ${because}`;
      released = (await primary?.handOver(why, handOverTimeout, this.steering.signal)) ?? true;
      await vms?.beforeStop(this.steering.signal);
    }
    this.duties.abort();
    this.steering.abort();
    primary?.wake();
    await Promise.race([watch.settle(), env.clock.sleep(stopDeadlineMs / 2, this.beating.signal)]);
    // S8: a probe of a slow BMC, or a resource that stops slowly, may still be under way; the keepalive goes on meanwhile.
    await Promise.race([Promise.all(loops), env.clock.sleep(stopDeadlineMs / 2, this.beating.signal)]);
    // In a hurry too: what the primary runs is stopped, within the time that the configuration promises for it.
    await Promise.race([steering, env.clock.sleep(settings.config.timing.stopBoundMs)]);
    // S1: who still holds something may not say `stop`: its silence must count, and its peers fence it.
    const stops = clean && (released || primary?.tenure.holdsRole() === false);
    if (stops)
      context.history.happened('node-stopped', `${identity.name} has stopped in good order`, { node: identity.name });
    await Promise.race([context.history.flush(), env.clock.sleep(1000, this.beating.signal)]);
    this.beating.abort();
    await beating;
    if (stops) await this.lastKeepalive(keepalive);
    if (stops) await this.restore.keepAtStop();
  }

  /** The promise that the keepalive makes: after this long `shutdown` counts as silence. */
  private shutdownMs(): number {
    const { vms, primary } = this.settings.config;
    return stopDeadlineMs + primary.handOverTimeout + (vms.flushOnShutdown ? vms.flushTimeout : 0);
  }

  /** The same, and what comes after it: the last resource, the last keepalive, the end of the session. */
  private stopWithinMs(clean: boolean): number {
    return (clean ? this.shutdownMs() : stopDeadlineMs) + this.settings.config.timing.stopBoundMs + stopTailMs;
  }

  private async lastKeepalive(keepalive: KeepaliveLoop): Promise<void> {
    const { env, board } = this;
    board.daemonState = 'stop';
    const endMs = env.clock.monotonicMs() + 5000;
    while (!(await keepalive.publish())) {
      board.keepaliveTurnMs = env.clock.monotonicMs();
      if (env.clock.monotonicMs() > endMs) {
        env.log.warn('the last keepalive could not be published', {
          because: `ZooKeeper is away for ${inWords(5000)}`,
        });
        return;
      }
      await env.clock.sleep(200);
    }
  }
}

/** The loops of a life that has joined. */
interface Running {
  readonly keepalive: KeepaliveLoop;
  readonly watch: Watch;
  readonly primary: PrimaryLoop | null;
  readonly vms: VmDuties | null;
  readonly beating: Promise<void>;
  /** The role's loop. */
  readonly steering: Promise<void>;
  readonly loops: readonly Promise<unknown>[];
}
