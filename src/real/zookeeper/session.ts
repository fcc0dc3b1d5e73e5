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
import { checkLibrary } from './library.ts';
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
}

export interface Session {
  view(): SessionView;
  subscribe(listener: (view: SessionView) => void): () => void;
  request<T>(
    kind: 'read' | 'write',
    send: (client: LibraryClient, done: (error: LibraryError | null, value: T) => void) => void,
  ): Promise<Reply<T>>;
  /** Address and port of the server that answers now. */
  server(): string;
  /** Goes on with the next server, in the same session; what is under way there is unanswered. */
  leaveServer(because: string): void;
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

  constructor(options: SessionOptions) {
    this.options = options;
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

  async request<T>(
    kind: 'read' | 'write',
    send: (client: LibraryClient, done: (error: LibraryError | null, value: T) => void) => void,
  ): Promise<Reply<T>> {
    const sentMs = monotonicMs();
    const generation = this.generation;
    const reply = await this.client.request(this.options.requestTimeoutMs, send);
    const current = generation === this.generation;
    if (kind === 'write' && reply.ok && current && sentMs > (this.lastAckSentMs ?? -Infinity))
      this.lastAckSentMs = sentMs;
    return reply;
  }

  server(): string {
    return this.client.server();
  }

  leaveServer(because: string): void {
    this.client.cut(because);
  }

  async close(deadlineMs: number): Promise<void> {
    this.closed = true;
    this.stopDoubting();
    this.stopListening();
    await this.client.shutdown(deadlineMs);
    this.change('lost', 'closed by this program');
  }

  private newClient(): HardenedClient {
    const client: HardenedClient = hardenedClient({
      ...this.clientOptions(),
      onState: (state, because) => {
        if (client !== this.client || this.closed) return; // a late word of an older client
        if (state === 'connected') this.onConnected(client);
        else if (state === 'disconnected') this.onDisconnected(because);
        else this.onLost(because);
      },
    });
    return client;
  }

  private clientOptions(): Omit<ClientOptions, 'onState'> {
    const { servers, sessionTimeoutMs, connectTimeoutMs, keys, tls = null, onTrouble } = this.options;
    const digests = keys.digests();
    return { servers, sessionTimeoutMs, connectTimeoutMs, digests, tls, onTrouble: onTrouble ?? (() => undefined) };
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
    const roundMs = (this.options.servers.length + 1) * (this.options.connectTimeoutMs + spinMaxMs);
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
