/**
 * The session over its clients: a new client after each loss, a generation number that voids what belonged to the old
 * one, and the sending time of the last acknowledged write, the only evidence there is (STORE7).
 */
import { monotonicMs } from '../clock.ts';
import type { SessionView } from '../../environment/store.ts';
import type { HardenedClient, Reply } from './client.ts';
import { hardenedClient } from './client.ts';
import type { LibraryClient, LibraryError } from './library.ts';
import { checkLibrary } from './library.ts';

export interface SessionOptions {
  readonly servers: readonly string[];
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** `user:password` of the digest scheme, derived from the cluster key. */
  readonly digest: string;
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
  close(deadlineMs: number): Promise<void>;
}

/** Opens a session; it connects by itself and keeps trying until it is closed. Throws when the library is not ours. */
export function openSession(options: SessionOptions): Session {
  const unfit = checkLibrary();
  if (unfit !== null) throw new Error(unfit);
  return new ZooKeeperSession(options);
}

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

  constructor(options: SessionOptions) {
    this.options = options;
    this.client = this.newClient();
    this.client.connect();
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

  async close(deadlineMs: number): Promise<void> {
    this.closed = true;
    await this.client.shutdown(deadlineMs);
    this.change('lost', 'closed by this program');
  }

  private newClient(): HardenedClient {
    const client: HardenedClient = hardenedClient({
      servers: this.options.servers,
      sessionTimeoutMs: this.options.sessionTimeoutMs,
      connectTimeoutMs: this.options.connectTimeoutMs,
      digest: this.options.digest,
      onState: (state, because) => {
        if (client !== this.client || this.closed) return; // a late word of an older client
        if (state === 'connected') this.onConnected(client);
        else if (state === 'disconnected') this.onDisconnected(because);
        else this.onLost(because);
      },
    });
    return client;
  }

  private onConnected(client: HardenedClient): void {
    const id = client.sessionId();
    if (id !== this.id) {
      this.generation += 1;
      this.lastAckSentMs = null;
    }
    this.id = id;
    this.timeoutMs = client.sessionTimeoutMs();
    this.change('connected', `session ${id}, timeout ${this.timeoutMs} ms`);
  }

  private onDisconnected(because: string): void {
    if (this.state === 'connected') this.change('suspended', because);
  }

  private onLost(because: string): void {
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
