/** `Store` in the simulator: one client of the SimEnsemble, with latency, lost answers, detection times and sessions. */
import type {
  CreateMode,
  Operation,
  SessionView,
  Store,
  StoreFailureCode,
  StoreResult,
  StoredValue,
} from '../environment/store.ts';
import type { VirtualTime } from './clock.ts';
import type { Applied, SimEnsemble } from './ensemble.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

export interface SimStoreOptions {
  readonly time: VirtualTime;
  readonly process: SimProcess;
  readonly ensemble: SimEnsemble;
  readonly random: SeededRandom;
  readonly sessionTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Whether packets pass between this process and the store right now. */
  readonly reaches: () => boolean;
}

export class SimStore implements Store {
  private readonly options: SimStoreOptions;
  private readonly listeners = new Set<(view: SessionView) => void>();
  private state: SessionView['state'] = 'connecting';
  private generation = 0;
  private id: string | null = null;
  private lastAckSentMs: number | null = null;
  private lastAnswerMs = 0;
  private closed = false;
  /** Counts connections: the pings of an older one have ended. */
  private connection = 0;
  private readonly inFlight = new Set<() => void>();
  /** STORE4: one connection is first in, first out, both ways. */
  private lastArrivalMs = 0;
  private lastReplyMs = 0;

  constructor(options: SimStoreOptions) {
    this.options = options;
    this.connect();
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

  async read(path: string, onChange?: () => void): Promise<StoreResult<StoredValue>> {
    const { ensemble } = this.options;
    const reply = await this.request(false, () => {
      const applied = ensemble.read(path);
      if (applied.ok && onChange !== undefined) ensemble.watch(path, 'data', this.notification(onChange));
      return applied;
    });
    return reply.ok ? { ok: true, ...reply.value } : fail(reply.code, path);
  }

  async list(path: string, onChange?: () => void): Promise<StoreResult<{ readonly names: string[] }>> {
    const { ensemble } = this.options;
    const reply = await this.request(false, () => {
      const applied = ensemble.list(path);
      if (applied.ok && onChange !== undefined) ensemble.watch(path, 'list', this.notification(onChange));
      return applied;
    });
    return reply.ok ? { ok: true, names: reply.value } : fail(reply.code, path);
  }

  async create(path: string, text: string, mode: CreateMode): Promise<StoreResult<{ readonly path: string }>> {
    const reply = await this.request(true, (id) => this.options.ensemble.create(id, path, text, mode));
    return reply.ok ? { ok: true, path: reply.value } : fail(reply.code, path);
  }

  async write(path: string, text: string, version: number): Promise<StoreResult<{ readonly version: number }>> {
    const reply = await this.request(true, () => this.options.ensemble.write(path, text, version));
    return reply.ok ? { ok: true, version: reply.value } : fail(reply.code, path);
  }

  async remove(path: string, version: number): Promise<StoreResult<object>> {
    const reply = await this.request(true, () => this.options.ensemble.remove(path, version));
    return reply.ok ? { ok: true } : fail(reply.code, path);
  }

  async commit(operations: readonly Operation[]): Promise<StoreResult<object>> {
    const reply = await this.request(true, (id) => this.options.ensemble.commit(id, operations));
    return reply.ok ? { ok: true } : fail(reply.code, operations.map((operation) => operation.path).join(', '));
  }

  close(): Promise<void> {
    this.closed = true;
    if (this.id !== null && this.state === 'connected' && this.up()) this.options.ensemble.closeSession(this.id);
    this.change('lost');
    return Promise.resolve();
  }

  private up(): boolean {
    return this.options.reaches() && this.options.ensemble.available;
  }

  private notification(onChange: () => void): () => void {
    const { generation } = this;
    return () => {
      if (this.generation === generation && this.up()) this.options.process.deliver(onChange);
    };
  }

  private latencyMs(): number {
    return this.options.random.between(0.3, 2);
  }

  private request<T>(isWrite: boolean, apply: (sessionId: string) => Applied<T>): Promise<Applied<T>> {
    const { time, process, ensemble, sessionTimeoutMs } = this.options;
    const { id, generation } = this;
    if (this.state !== 'connected' || id === null) return Promise.resolve({ ok: false, code: 'not-connected' });
    const sentMs = process.monotonicMs();
    return new Promise((resolve) => {
      let settled = false;
      const settle = (reply: Applied<T>) => {
        if (settled) return;
        settled = true;
        this.inFlight.delete(lose);
        cancel();
        if (reply.ok && isWrite && generation === this.generation)
          this.lastAckSentMs = Math.max(this.lastAckSentMs ?? 0, sentMs);
        resolve(reply);
      };
      const lose = () => settle({ ok: false, code: 'unclear' });
      this.inFlight.add(lose);
      const cancel = time.after(sessionTimeoutMs / 3, () =>
        process.deliver(() => {
          // As the real client does (M2): an unanswered request costs the connection.
          if (!settled) this.lostConnection();
          lose();
        }),
      );
      this.lastArrivalMs = Math.max(this.lastArrivalMs, time.nowMs + this.latencyMs());
      time.at(this.lastArrivalMs, () => {
        if (!process.alive || !this.up()) return; // lost on the way there
        if (!ensemble.touch(id)) return; // the session is over: the ping will find out
        const reply = apply(id);
        this.lastReplyMs = Math.max(this.lastReplyMs, time.nowMs + this.latencyMs());
        time.at(this.lastReplyMs, () => {
          if (!this.up()) return; // the answer is lost; the write is not
          process.deliver(() => {
            this.lastAnswerMs = time.nowMs;
            settle(reply);
          });
        });
      });
    });
  }

  private suspend(): void {
    if (this.state === 'connected') this.change('suspended');
    for (const lose of [...this.inFlight]) lose();
  }

  /** Tries to connect for as long as the process lives; with the old session if it still stands. */
  private connect(): void {
    const { time, process, ensemble, sessionTimeoutMs, connectTimeoutMs } = this.options;
    if (this.closed || !process.alive) return;
    const again = () => time.after(connectTimeoutMs, () => process.deliver(() => this.connect()));
    if (!this.up()) return void again();
    time.after(this.latencyMs(), () =>
      process.deliver(() => {
        if (this.closed) return;
        if (!this.up()) return void again();
        if (this.id !== null && !ensemble.touch(this.id)) {
          this.id = null;
          this.lastAckSentMs = null;
          this.change('lost');
        }
        if (this.id === null) {
          this.id = ensemble.openSession(sessionTimeoutMs);
          this.generation += 1;
        }
        this.lastAnswerMs = time.nowMs;
        this.change('connected');
        this.connection += 1;
        this.ping(this.connection);
      }),
    );
  }

  private ping(connection: number): void {
    const { time, process, ensemble, sessionTimeoutMs } = this.options;
    const { id } = this;
    if (this.closed || this.state !== 'connected' || connection !== this.connection || id === null || !process.alive)
      return;
    if (this.up()) {
      if (ensemble.touch(id))
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
    this.connect();
  }

  private change(state: SessionView['state']): void {
    if (this.state === state) return;
    this.state = state;
    const view = this.session();
    for (const listener of [...this.listeners]) listener(view);
  }
}

function fail(code: StoreFailureCode, path: string): { ok: false; code: StoreFailureCode; because: string } {
  return { ok: false, code, because: `${path}: ${code}` };
}
