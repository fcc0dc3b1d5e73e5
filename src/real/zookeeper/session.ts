/**
 * The session over its clients: a new client after each loss, a generation number that voids what belonged to the old
 * one, and the sending time of the last acknowledged write, the only evidence there is (STORE7).
 *
 * M14: servers that know less than the client has seen (rebuilt, or restored from an old copy) refuse its old session without a
 * word, for ever. So a session that is cut off for longer than its timeout is given up when a new one would be taken.
 */
import { monotonicMs } from '../clock.ts';
import type { SessionView } from '../../environment/store.ts';
import type { ClientOptions, HardenedClient, Reply } from './client.ts';
import { hardenedClient } from './client.ts';
import type { LibraryClient, LibraryError } from './library.ts';
import { checkLibrary, errorCode } from './library.ts';
import { RefusedServers } from './refused-servers.ts';
import type { ZooKeeperTls } from './tls.ts';

/** What proves that the tree is ours: `user:password` of the digest scheme, from each cluster key, the first one first. */
export interface StoreKeys {
  digests(): readonly string[];
  onExchange(listener: () => void): () => void;
}

export interface SessionOptions {
  readonly servers: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keys: StoreKeys;
  /** Null: TCP as it is. */
  readonly tls?: ZooKeeperTls | null;
  /** Why a connection by TLS did not come about; at every try. */
  readonly onTrouble?: (because: string) => void;
  /** Told of each change with its reason; for the log. */
  readonly onChange?: (state: SessionView['state'], because: string) => void;
  /** For tests: the number of the first request of each session. */
  readonly firstXid?: number;
}

export type Send<T> = (client: LibraryClient, done: (error: LibraryError | null, value: T) => void) => void;

/** A connection that nothing may use yet but the gate. */
export interface RawConnection {
  /** As configured. */
  readonly server: string;
  /** Address and port of it. */
  readonly at: string;
  request<T>(send: Send<T>): Promise<Reply<T>>;
  /** Sends one request to each configured server, over a connection of its own. */
  requestAll<T>(send: Send<T>): Promise<readonly { readonly server: string; readonly reply: Reply<T> }[]>;
}

/** Null: it may be used; else why not. */
export type SessionGate = (
  connection: RawConnection,
) => Promise<{ readonly because: string; readonly isLasting: boolean } | null>;

export interface Session {
  /** Asked about each new connection before it counts as connected (STORE11). */
  guard(gate: SessionGate): void;
  view(): SessionView;
  subscribe(listener: (view: SessionView) => void): () => void;
  request<T>(kind: 'read' | 'write', send: Send<T>): Promise<Reply<T>>;
  /** What it holds right now, by name. */
  counts(): Record<string, number>;
  /** Address and port of the server that answers now. */
  server(): string;
  /** Goes on with the next server, in the same session; what is under way there is unanswered. */
  leaveServer(because: string): void;
  /** Ends the session at the server, and opens a new one. */
  abandon(because: string): Promise<void>;
  close(deadlineMs: number): Promise<void>;
}

/** Opens a session; it connects by itself and keeps trying until it is closed. Throws when the library is not ours. */
export function openSession(options: SessionOptions): Session {
  const unfit = checkLibrary();
  if (unfit !== null) throw new Error(unfit);
  return new ZooKeeperSession(options);
}

/** A session that is cut off for this many of its timeouts is over, as a rule, or waits for a quorum. */
const doubtFactor = 1.5;
/** The library waits at most so long between two servers. */
const spinMaxMs = 1000;
/** A server that is not let in, and the only one, is asked again this often. */
const refusedAgainMs = 1000;
/** A server that is asked in a session of its own gets at least this long to connect. */
const lookLeastMs = 1000;

const notConnected = { ok: false, code: errorCode.sessionExpired, message: 'not connected; nothing was sent' } as const;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());

class ZooKeeperSession implements Session {
  private readonly options: SessionOptions;
  private readonly listeners = new Set<(view: SessionView) => void>();
  private client: HardenedClient;
  private state: SessionView['state'] = 'connecting';
  private generation = 0;
  private id: string | null = null;
  private timeoutMs = 0;
  private lastAckSentMs: number | null = null;
  private closed = false;
  private readonly stopListening: () => void;
  private doubting: NodeJS.Timeout | null = null;
  private gate: SessionGate | null = null;
  /** Counts what happens to connections: the gate's answer about an older one is void. */
  private connection = 0;
  private readonly refused: RefusedServers;

  constructor(options: SessionOptions) {
    this.options = options;
    this.refused = new RefusedServers(
      options.servers,
      (server) => this.askAgain(server),
      () => this.client.setServers(this.refused.others()),
    );
    this.client = this.newClient();
    this.client.connect();
    this.stopListening = options.keys.onExchange(() => this.client.authenticate(options.keys.digests()));
  }

  view(): SessionView {
    return {
      state: this.state === 'connected' && !this.client.isConnected() ? 'suspended' : this.state,
      generation: this.generation,
      id: this.id,
      timeoutMs: this.timeoutMs,
      lastAckSentMs: this.lastAckSentMs,
    };
  }

  subscribe(listener: (view: SessionView) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  guard(gate: SessionGate): void {
    this.gate = gate;
  }

  async request<T>(kind: 'read' | 'write', send: Send<T>): Promise<Reply<T>> {
    if (this.state !== 'connected') return notConnected;
    const sentMs = monotonicMs();
    const generation = this.generation;
    const reply = await this.client.request(this.options.requestTimeoutMs, send);
    const current = generation === this.generation;
    if (kind === 'write' && reply.ok && current && sentMs > (this.lastAckSentMs ?? -Infinity))
      this.lastAckSentMs = sentMs;
    return reply;
  }

  counts(): Record<string, number> {
    return { 'store.listeners': this.listeners.size, 'store.requests': this.client.requests() };
  }

  server(): string {
    return this.client.server();
  }

  leaveServer(because: string): void {
    this.refused.clear(); // another server is needed now, and they may have been put right
    this.client.cut(because);
  }

  async abandon(because: string): Promise<void> {
    const given = this.client;
    await given.shutdown(this.options.requestTimeoutMs);
    if (!this.closed && this.client === given) this.onLost(because);
  }

  async close(deadlineMs: number): Promise<void> {
    this.closed = true;
    this.connection += 1;
    this.stopDoubting();
    this.stopListening();
    this.refused.stop();
    await this.client.shutdown(deadlineMs);
    this.change('lost', 'closed by this program');
  }

  private newClient(): HardenedClient {
    const client: HardenedClient = hardenedClient({
      ...this.clientOptions(),
      onState: (state, because) => {
        if (client !== this.client || this.closed) return; // a late word of an older client
        this.connection += 1;
        if (state === 'connected') void this.onConnection(client);
        else if (state === 'disconnected') this.onDisconnected(because);
        else this.onLost(because);
      },
    });
    return client;
  }

  private clientOptions(): Omit<ClientOptions, 'onState'> {
    const { sessionTimeoutMs, connectTimeoutMs, keys, tls = null, onTrouble, firstXid } = this.options;
    const servers = this.refused.others();
    const digests = keys.digests();
    const hear = onTrouble ?? (() => undefined);
    return { servers, sessionTimeoutMs, connectTimeoutMs, digests, tls, onTrouble: hear, firstXid };
  }

  /** STORE11: nothing goes over it before the gate has let its server in. */
  private async onConnection(client: HardenedClient): Promise<void> {
    const { connection, gate } = this;
    const refusal = gate === null ? null : await this.ask(gate, client);
    if (connection !== this.connection) return;
    if (refusal === null) {
      this.onConnected(client);
      return;
    }
    const server = client.configuredServer();
    if (refusal.isLasting) this.refused.add(server);
    // Where nothing better is left it is asked again after a while.
    const isAlone = !refusal.isLasting || this.refused.others().includes(server);
    await pause(isAlone ? refusedAgainMs : 0);
    if (connection !== this.connection) return;
    if (client.sessionId() === this.id) {
      client.setServers(this.refused.others());
      client.cut(refusal.because); // the session stands elsewhere
      return;
    }
    const next = this.newClient();
    this.client = next;
    await client.shutdown(this.options.connectTimeoutMs);
    if (connection === this.connection) next.connect();
  }

  private async ask(gate: SessionGate, client: HardenedClient): ReturnType<SessionGate> {
    const { requestTimeoutMs, servers } = this.options;
    const server = client.configuredServer();
    const request = <T>(send: Send<T>) => client.request<T>(requestTimeoutMs, send);
    const requestOf = <T>(one: string, send: Send<T>) => (one === server ? request(send) : this.requestOnce(one, send));
    const requestAll = <T>(send: Send<T>) =>
      Promise.all(servers.map(async (one) => ({ server: one, reply: await requestOf(one, send) })));
    try {
      return await gate({ server, at: client.server(), request, requestAll });
    } catch (error) {
      return { because: `${server} could not be looked at: ${String(error)}`, isLasting: false };
    }
  }

  /** One request in a session of its own. */
  private async requestOnce<T>(server: string, send: Send<T>): Promise<Reply<T>> {
    return this.withClient(server, (client) => client.request<T>(this.options.requestTimeoutMs, send), notConnected);
  }

  /** A server that was refused: whether it is let in now. */
  private async askAgain(server: string): Promise<boolean> {
    const { gate } = this;
    if (gate === null || this.closed) return false;
    const isIn = await this.withClient(server, async (client) => (await this.ask(gate, client)) === null, false);
    return isIn;
  }

  /** `otherwise`: no connection to it came about. */
  private async withClient<R>(server: string, work: (client: HardenedClient) => Promise<R>, otherwise: R): Promise<R> {
    let tell: (connected: boolean) => void = () => undefined;
    const connected = new Promise<boolean>((resolve) => (tell = resolve));
    const { connectTimeoutMs } = this.options;
    const onState = (state: string) => state === 'connected' && tell(true);
    const client = hardenedClient({ ...this.clientOptions(), servers: [server], onState });
    const timer = setTimeout(() => tell(false), Math.max(2 * connectTimeoutMs, lookLeastMs));
    timer.unref();
    client.connect();
    try {
      return (await connected) ? await work(client) : otherwise;
    } finally {
      clearTimeout(timer);
      void client.shutdown(connectTimeoutMs);
    }
  }

  private onConnected(client: HardenedClient): void {
    const id = client.sessionId();
    if (id !== this.id) {
      this.generation += 1;
      this.lastAckSentMs = null;
    }
    this.stopDoubting();
    this.id = id;
    this.timeoutMs = client.sessionTimeoutMs();
    this.change('connected', `session ${id}, timeout ${this.timeoutMs} ms`);
  }

  private onDisconnected(because: string): void {
    if (this.state !== 'connected') return;
    this.change('suspended', because);
    this.doubt(Math.round(this.timeoutMs * doubtFactor));
  }

  /** M14: looks in a while whether this session can ever come back. */
  private doubt(inMs: number): void {
    this.stopDoubting();
    this.doubting = setTimeout(() => void this.compareWithANewOne(this.client), inMs);
    this.doubting.unref();
  }

  private stopDoubting(): void {
    if (this.doubting !== null) clearTimeout(this.doubting);
    this.doubting = null;
  }

  private async compareWithANewOne(doubted: HardenedClient): Promise<void> {
    const isDoubted = () => !this.closed && this.client === doubted && this.state === 'suspended';
    // Every server has its turn; and so has the old session, after a new one was taken.
    const roundMs = (this.refused.others().length + 1) * (this.options.connectTimeoutMs + spinMaxMs);
    const taken = isDoubted() && (await this.isNewOneTaken(roundMs));
    if (taken) await new Promise((resolve) => setTimeout(resolve, roundMs).unref());
    if (!isDoubted()) return;
    if (taken)
      this.onLost('new sessions are taken, and this one is not: ZooKeeper was rebuilt, or restored from an old copy');
    else this.doubt(this.timeoutMs);
  }

  private async isNewOneTaken(withinMs: number): Promise<boolean> {
    let tell: (taken: boolean) => void = () => undefined;
    const answer = new Promise<boolean>((resolve) => (tell = resolve));
    const { connectTimeoutMs } = this.options;
    const onState = (state: string) => state === 'connected' && tell(true);
    const other = hardenedClient({ ...this.clientOptions(), onState });
    const timer = setTimeout(() => tell(false), withinMs);
    timer.unref();
    other.connect();
    const taken = await answer;
    clearTimeout(timer);
    await other.shutdown(connectTimeoutMs);
    return taken;
  }

  private onLost(because: string): void {
    this.stopDoubting();
    this.client.kill();
    this.lastAckSentMs = null;
    this.change('lost', because);
    // M10: a dead client never comes back; and never from inside its own event.
    setTimeout(() => {
      if (this.closed) return;
      this.client = this.newClient();
      this.client.connect();
    }, 20);
  }

  private change(state: SessionView['state'], because: string): void {
    if (this.state === state) return;
    this.state = state;
    this.options.onChange?.(state, because);
    const view = this.view();
    for (const listener of [...this.listeners]) listener(view);
  }
}
