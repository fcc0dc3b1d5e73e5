/** `Store` in the simulator: one client of the SimEnsemble, with latency, lost answers, detection times and sessions. */
import type {
  CreateMode,
  Gate,
  NewConnection,
  Operation,
  SessionView,
  Store,
  StoreFailureCode,
  StoreResult,
  StoredValue,
} from '../environment/store.ts';
import { Contradictions, contradictionSentence } from '../core/contradiction.ts';
import type { VirtualTime } from './clock.ts';
import type { SimEnsemble, SimServer } from './ensemble.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';
import type { Applied, TreeEvent } from './znode-tree.ts';

export interface SimStoreOptions {
  readonly time: VirtualTime;
  readonly process: SimProcess;
  readonly ensemble: SimEnsemble;
  readonly random: SeededRandom;
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** As configured, in the order of the ensemble's; default: by number. */
  readonly servers?: readonly string[];
  /** Whether packets pass between this process and the store right now. */
  readonly reaches: () => boolean;
  /** For faults: whether the answer to this write is lost, with the connection. */
  readonly losesAnswer?: () => boolean;
  /** For faults: why the store refuses each write of this path; null: it does not. */
  readonly refuses?: (path: string) => StoreFailureCode | null;
  /** For the checkers: this path was written; acknowledged, and sent then, in the world's time. */
  readonly onWritten?: (path: string, sentAtMs: number) => void;
  /** For the checkers: a write was acknowledged that was sent then, in the world's time. */
  readonly onAck?: (sentAtMs: number) => void;
}

interface Pending<T = unknown> {
  readonly isWrite: boolean;
  readonly sentMs: number;
  readonly sentAtMs: number;
  readonly generation: number;
  readonly resolve: (reply: Applied<T>) => void;
  settled: boolean;
}

/** A server that was refused for good is left out for so long, as by the real client. */
const refusedForMs = 10_000;
/** M14 of the real client: a session that another store's server refuses without a word is given up after so many timeouts. */
const doubtFactor = 1.5;
/** Sums of times are not exact. */
const roundingMs = 0.001;

/** A read that is never answered ends so. */
const unreadableMs = 500;

export class SimStore implements Store {
  private readonly options: SimStoreOptions;
  private readonly listeners = new Set<(view: SessionView) => void>();
  private readonly hearers = new Set<(because: string) => void>();
  private readonly contradictions: Contradictions;
  private state: SessionView['state'] = 'connecting';
  private generation = 0;
  private id: string | null = null;
  private lastAckSentMs: number | null = null;
  private lastAnswerMs = 0;
  private closed = false;
  private gate: Gate | null = null;
  /** Until when they are left out. */
  private readonly refused = new Map<SimServer, number>();
  private suspendedAtMs = 0;
  /** Counts connections: the pings of an older one have ended. */
  private connection = 0;
  /** Sent and not answered, the oldest first. */
  private readonly inFlight: Pending[] = [];
  /** Monotonic, in the world's time: when the oldest one's deadline is looked at; null: nothing is in flight. */
  private deadlineMs: number | null = null;
  private server: SimServer;
  /** The newest change that this client has seen: a server that knows less refuses it. */
  private seenZxid = 0;
  /** M14, as the real session does it: when a session that every server refuses is given up; null: none does. */
  private doubtedAtMs: number | null = null;
  /** Woken by the ensemble when connections break. */
  private readonly onBreak = (server: SimServer | null) => {
    if (server === null || server === this.server) this.options.process.deliver(() => this.lostConnection());
  };
  /** What was set off is told once to each; and asking again makes no second watch. */
  private readonly watches = new Map<string, Set<() => void>>();
  /** STORE4: one connection is first in, first out, both ways. */
  private lastArrivalMs = 0;
  private lastReplyMs = 0;
  /** Answers that a stale server owes. */
  private heldBack = 0;

  constructor(options: SimStoreOptions) {
    this.options = options;
    this.contradictions = new Contradictions(options.sessionTimeoutMs);
    const { servers } = options.ensemble;
    const first = servers.length === 1 ? 0 : Math.floor(options.random.fraction() * servers.length);
    this.server = servers[first] ?? (servers[0] as SimServer);
    options.ensemble.onBreak.add(this.onBreak);
    this.connect();
  }

  guard(gate: Gate): void {
    this.gate = gate;
  }

  session(): SessionView {
    const { sessionTimeoutMs } = this.options;
    return {
      state: this.state,
      generation: this.generation,
      id: this.id,
      timeoutMs: this.generation === 0 ? 0 : sessionTimeoutMs,
      lastAckSentMs: this.lastAckSentMs,
    };
  }

  onSession(listener: (view: SessionView) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  onContradiction(listener: (because: string) => void): () => void {
    this.hearers.add(listener);
    return () => this.hearers.delete(listener);
  }

  async read(path: string, onChange?: () => void): Promise<StoreResult<StoredValue>> {
    if (this.options.ensemble.unreadable.has(path)) {
      await this.options.process.sleep(unreadableMs);
      return fail('unclear', path);
    }
    const reply = await this.request(false, (_id, server) => {
      const applied = server.read(path);
      if (applied.ok && onChange !== undefined) this.watch('data', path, onChange);
      return applied;
    });
    this.contradictions.read(path, reply.ok ? { ok: true, version: reply.value.version } : reply);
    return reply.ok ? { ok: true, ...reply.value } : fail(reply.code, path);
  }

  async list(path: string, onChange?: () => void): Promise<StoreResult<{ readonly names: string[] }>> {
    const reply = await this.request(false, (_id, server) => {
      const applied = server.list(path);
      if (applied.ok && onChange !== undefined) this.watch('list', path, onChange);
      return applied;
    });
    return reply.ok ? { ok: true, names: reply.value } : fail(reply.code, path);
  }

  async create(path: string, text: string, mode: CreateMode): Promise<StoreResult<{ readonly path: string }>> {
    const reply = await this.request(true, (id, server) => {
      const made = this.home.create(id, path, text, mode);
      // As a real server whose copy lacks the branch: the store has done it, and the answer is the server's.
      return made.ok && server.lacks(path) ? { ok: false, code: 'no-node' as const } : made;
    });
    this.look([{ kind: 'create', path, text, mode }], reply);
    return reply.ok ? { ok: true, path: reply.value } : fail(reply.code, path);
  }

  async write(path: string, text: string, version: number): Promise<StoreResult<{ readonly version: number }>> {
    const { refuses, time, onWritten } = this.options;
    const sentAtMs = time.nowMs;
    const reply = await this.request<number>(true, () => {
      const refusal = refuses?.(path) ?? null;
      return refusal === null ? this.home.write(path, text, version) : { ok: false, code: refusal };
    });
    if (reply.ok) onWritten?.(path, sentAtMs);
    this.look([{ kind: 'write', path, text, version }], reply);
    return reply.ok ? { ok: true, version: reply.value } : fail(reply.code, path);
  }

  async remove(path: string, version: number): Promise<StoreResult<object>> {
    const reply = await this.request(true, () => this.home.remove(path, version));
    this.look([{ kind: 'remove', path, version }], reply);
    return reply.ok ? { ok: true } : fail(reply.code, path);
  }

  async commit(operations: readonly Operation[]): Promise<StoreResult<object>> {
    const reply = await this.request(true, (id) => this.home.commit(id, operations));
    this.look(operations, reply);
    return reply.ok ? { ok: true } : fail(reply.code, reply.path ?? operations.map(({ path }) => path).join(', '));
  }

  exposure(): Promise<StoreResult<{ readonly where: string | null }>> {
    return Promise.resolve({ ok: true, where: this.options.ensemble.exposure });
  }

  abandon(): Promise<void> {
    const { time, process, ensemble } = this.options;
    const { id } = this;
    if (id === null || this.state !== 'connected') return Promise.resolve();
    this.suspend();
    time.after(this.latencyMs(), () => {
      if (this.up()) ensemble.closeSession(id);
      process.deliver(() => {
        if (this.closed) return;
        this.id = null;
        this.lastAckSentMs = null;
        this.change('lost');
        this.connect();
      });
    });
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    this.options.ensemble.onBreak.delete(this.onBreak);
    if (this.id !== null && this.state === 'connected' && this.up()) this.home.closeSession(this.id);
    this.change('lost');
    return Promise.resolve();
  }

  /** STORE10, as the real store does it. */
  private look(operations: readonly Operation[], reply: Applied<unknown>): void {
    const { contradictions, server, options } = this;
    if (reply.ok) {
      contradictions.done(operations);
      return;
    }
    const refused = operations.length === 1 ? operations[0] : operations.find(({ path }) => path === reply.path);
    const nowMs = options.process.monotonicMs();
    const found = refused === undefined ? null : contradictions.refuses(refused, reply.code, nowMs);
    if (found === null) return;
    const { servers } = options.ensemble;
    const name = `zookeeper ${servers.indexOf(server) + 1}`;
    const { isNews, leaves, wrong } = contradictions.judge(found.path, name, nowMs, servers.length);
    const because = contradictionSentence(name, found, wrong, servers.length);
    if (isNews) for (const hear of [...this.hearers]) hear(because);
    if (!leaves) return;
    this.refused.clear(); // they may have been put right, and the gate asks
    this.lostConnection();
  }

  /** The store that the server belongs to. */
  private get home(): SimEnsemble {
    return this.server.alone ?? this.options.ensemble;
  }

  private get serving(): SimServer {
    return servingFor(this.server);
  }

  private up(server = this.server): boolean {
    const { reaches, ensemble } = this.options;
    return reaches() && (server.alone ?? ensemble).isAvailable() && server.answers();
  }

  private watch(kind: TreeEvent, path: string, onChange: () => void): void {
    const key = `${kind} ${path}`;
    const waiting = this.watches.get(key);
    if (waiting !== undefined) {
      waiting.add(onChange);
      return;
    }
    const listening = new Set([onChange]);
    this.watches.set(key, listening);
    const { generation } = this;
    this.home.watch(this.serving, kind, path, () => {
      if (this.watches.get(key) === listening) this.watches.delete(key);
      if (this.generation !== generation || !this.up()) return;
      for (const call of listening) this.options.process.deliver(call);
    });
  }

  private latencyMs(): number {
    return this.options.random.between(0.3, 2) + this.server.slowMs;
  }

  private request<T>(
    isWrite: boolean,
    apply: (sessionId: string, server: SimServer) => Applied<T>,
  ): Promise<Applied<T>> {
    const { time, process, losesAnswer } = this.options;
    const { id, generation, connection, server, home } = this;
    const serving = servingFor(server);
    if (this.state !== 'connected' || id === null) return Promise.resolve({ ok: false, code: 'not-connected' });
    const sentMs = process.monotonicMs();
    return new Promise((resolve) => {
      const pending: Pending<T> = { isWrite, sentMs, sentAtMs: time.nowMs, generation, resolve, settled: false };
      this.await(pending as Pending);
      const isThere = () => this.up(server) && home === (server.alone ?? this.options.ensemble);
      this.lastArrivalMs = Math.max(this.lastArrivalMs, time.nowMs + this.latencyMs());
      time.at(this.lastArrivalMs, () => {
        if (!isThere() || server !== this.server) return; // lost on the way there, or the session has moved
        if (!home.touch(id)) return; // the session is over: the ping will find out
        const reply = apply(id, serving);
        const answer = () => {
          if (!isThere() || connection !== this.connection) return; // the answer is lost; the write is not
          this.seenZxid = Math.max(this.seenZxid, serving.tree.zxid);
          process.deliver(() => {
            this.lastAnswerMs = time.nowMs;
            this.settle(pending as Pending, reply);
          });
        };
        const answerInTurn = (how: () => void) => {
          this.lastReplyMs = Math.max(this.lastReplyMs + costMs(server, reply), time.nowMs + this.latencyMs());
          time.at(this.lastReplyMs, how);
        };
        if (isWrite && losesAnswer?.() === true) answerInTurn(() => process.deliver(() => this.lostConnection()));
        // A server answers a write when it knows of it itself, and everything else in its turn.
        else if (server.mode === 'stale' && (isWrite || this.heldBack > 0)) {
          this.heldBack += 1;
          server.whenCaughtUp(() => {
            this.heldBack -= 1;
            answerInTurn(answer);
          });
        } else answerInTurn(answer);
      });
    });
  }

  private await(pending: Pending): void {
    this.inFlight.push(pending);
    if (this.deadlineMs === null) this.lookAtDeadline();
  }

  /** One timer for the oldest request; they end in the order in which they were sent. */
  private lookAtDeadline(): void {
    const { time, process, sessionTimeoutMs } = this.options;
    while (this.inFlight[0]?.settled === true) this.inFlight.shift();
    const oldest = this.inFlight[0];
    this.deadlineMs = null;
    if (oldest === undefined) return;
    this.deadlineMs = time.nowMs + Math.max(0, oldest.sentMs + sessionTimeoutMs / 3 - process.monotonicMs());
    time.at(this.deadlineMs, () =>
      process.deliver(() => {
        const isOverdue = ({ sentMs }: Pending) => process.monotonicMs() - sentMs >= sessionTimeoutMs / 3 - roundingMs;
        const overdue = this.inFlight.filter((pending) => !pending.settled && isOverdue(pending));
        // As the real client does (M2): an unanswered request costs the connection.
        if (overdue.length > 0) this.lostConnection();
        for (const pending of overdue) this.settle(pending, { ok: false, code: 'unclear' });
        this.lookAtDeadline();
      }),
    );
  }

  private settle(pending: Pending, reply: Applied<unknown>): void {
    if (pending.settled) return;
    pending.settled = true;
    if (this.inFlight[0] === pending) this.inFlight.shift();
    if (reply.ok && pending.isWrite) this.options.onAck?.(pending.sentAtMs);
    if (reply.ok && pending.isWrite && pending.generation === this.generation)
      this.lastAckSentMs = Math.max(this.lastAckSentMs ?? 0, pending.sentMs);
    pending.resolve(reply);
  }

  private suspend(): void {
    if (this.state === 'connected') this.change('suspended');
    const lost = this.inFlight.splice(0);
    for (const pending of lost) this.settle(pending, { ok: false, code: 'unclear' });
  }

  /** Tries to connect for as long as the process lives; with the old session if it still stands. */
  private connect(): void {
    const { time, process } = this.options;
    if (this.closed || !process.alive) return;
    if (!this.up()) {
      this.connectLater();
      return;
    }
    time.after(this.latencyMs(), () =>
      process.deliver(() => {
        if (!this.closed) void this.shakeHands();
      }),
    );
  }

  /** The server knows less than this client has seen: it refuses the session, until that is given up for a new one. */
  private isRefused(): boolean {
    if (this.serving.tree.zxid >= this.seenZxid) return false;
    const { process, sessionTimeoutMs, ensemble } = this.options;
    // A stale server refuses too; the others would not.
    if (ensemble.newestZxid() >= this.seenZxid) return true;
    this.doubtedAtMs ??= process.monotonicMs() + sessionTimeoutMs * doubtFactor;
    if (process.monotonicMs() < this.doubtedAtMs) return true;
    this.seenZxid = 0;
    this.id = null;
    this.lastAckSentMs = null;
    this.change('lost');
    return false;
  }

  private connectLater(): void {
    const { time, process, connectTimeoutMs } = this.options;
    this.server = this.nextServer();
    time.after(connectTimeoutMs, () => process.deliver(() => this.connect()));
  }

  private async shakeHands(): Promise<void> {
    const { time, sessionTimeoutMs } = this.options;
    const { server, home } = this;
    if (server.alone !== null && time.nowMs - this.suspendedAtMs > doubtFactor * sessionTimeoutMs) this.seenZxid = 0;
    if (!this.up() || this.isRefused()) {
      this.connectLater();
      return;
    }
    this.doubtedAtMs = null;
    if (this.id !== null && !home.touch(this.id)) {
      this.id = null;
      this.lastAckSentMs = null;
      this.change('lost');
    }
    const kept = this.id;
    const id = kept ?? home.openSession(sessionTimeoutMs);
    const refusal = await this.gate?.(this.newConnection(server));
    if (this.closed) return;
    if (refusal) {
      if (kept === null) home.closeSession(id);
      if (refusal.isLasting) this.refused.set(server, time.nowMs + refusedForMs);
      this.connectLater();
      return;
    }
    this.refused.delete(server);
    this.id = id;
    if (kept === null) {
      this.generation += 1;
      this.watches.clear();
    }
    this.lastAnswerMs = time.nowMs;
    this.connection += 1; // first: who hears of it may ask at once
    this.change('connected');
    this.ping(this.connection);
  }

  /** STORE11: what the gate may do. It takes no time here: it is a part of the handshake. */
  private newConnection(server: SimServer): NewConnection {
    const { ensemble } = this.options;
    const { servers } = ensemble;
    const names = servers.map((_, index) => this.options.servers?.[index] ?? `zookeeper ${index + 1}`);
    const readFrom = (one: SimServer, path: string): StoreResult<StoredValue> => {
      if (!this.up(one)) return fail('unclear', path);
      const applied = servingFor(one).read(path);
      return applied.ok ? { ok: true, ...applied.value } : fail(applied.code, path);
    };
    const change = (applied: Applied<unknown>, path: string): Promise<StoreResult<object>> =>
      Promise.resolve(applied.ok ? { ok: true } : fail(applied.code, path));
    const home = server.alone ?? ensemble;
    const mode = server.alone !== null ? 'standalone' : 'follower';
    return {
      server: names[servers.indexOf(server)] ?? '',
      servers: names,
      shape: () => Promise.resolve({ mode: server.tellsMode ? mode : null, members: null }),
      read: (path) => Promise.resolve(readFrom(server, path)),
      create: (path, text) => change(home.create('', path, text, 'persistent'), path),
      write: (path, text, version) => change(home.write(path, text, version), path),
      readFromAll: (path) =>
        Promise.resolve(servers.map((one, index) => ({ server: names[index] ?? '', read: readFrom(one, path) }))),
    };
  }

  private ping(connection: number): void {
    const { time, process, sessionTimeoutMs } = this.options;
    const { id } = this;
    if (this.closed || this.state !== 'connected' || connection !== this.connection || id === null || !process.alive)
      return;
    if (this.up()) {
      if (this.home.touch(id))
        time.after(this.latencyMs(), () => process.deliver(() => (this.lastAnswerMs = time.nowMs)));
      else {
        this.lostConnection();
        return;
      }
    }
    time.after(sessionTimeoutMs / 9, () =>
      process.deliver(() => {
        if (time.nowMs - this.lastAnswerMs > sessionTimeoutMs / 3) this.lostConnection();
        else this.ping(connection);
      }),
    );
  }

  private lostConnection(): void {
    if (this.state !== 'connected') return;
    this.suspend();
    this.contradictions.forget();
    this.server = this.nextServer();
    this.connect();
  }

  private nextServer(): SimServer {
    const { ensemble, time } = this.options;
    const { servers } = ensemble;
    const after = servers.indexOf(this.server) + 1;
    const inTurn = [...servers.slice(after), ...servers.slice(0, after)];
    const isLeftOut = (server: SimServer) => (this.refused.get(server) ?? 0) > time.nowMs;
    return inTurn.find((server) => !isLeftOut(server)) ?? inTurn[0] ?? this.server;
  }

  private change(state: SessionView['state']): void {
    if (this.state === state) return;
    if (this.state === 'connected') this.suspendedAtMs = this.options.time.nowMs;
    this.state = state;
    const view = this.session();
    for (const listener of [...this.listeners]) listener(view);
  }
}

/** What the answers before it keep this one waiting for; without costs nothing. */
function costMs({ costMs: { request, kib } }: SimServer, reply: Applied<unknown>): number {
  if (request === 0 && kib === 0) return 0;
  const text = reply.ok ? (reply.value as { readonly text?: string } | null)?.text : undefined;
  return request + (kib * (text?.length ?? 0)) / 1024;
}
const servingFor = (server: SimServer): SimServer => server.alone?.servers[0] ?? server;

function fail(code: StoreFailureCode, path: string): { ok: false; code: StoreFailureCode; because: string } {
  return { ok: false, code, because: `${path}: ${code}` };
}
