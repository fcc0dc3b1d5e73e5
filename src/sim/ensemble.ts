/**
 * The store's server side in the simulator: sessions and their expiry, servers that lag, hang, die and change their leader,
 * over one tree (znode-tree.ts), as ZooKeeper does it. Without a quorum nothing answers and nothing expires; when it comes
 * back, every session starts anew with its full time (as under a new leader).
 */
import type { CreateMode, Operation, StoredValue } from '../environment/store.ts';
import type { VirtualTime } from './clock.ts';
import { ZnodeTree } from './znode-tree.ts';
import type { Applied, TreeEvent } from './znode-tree.ts';

interface SimSession {
  readonly id: string;
  readonly timeoutMs: number;
  touchedMs: number;
}

/** All data at one moment: the tree with its locks, and the sessions that lived. */
interface StoreCopy {
  readonly tree: ZnodeTree;
  readonly sessions: readonly SimSession[];
}

/** Of a nodectl that had put a request when the copy was taken, and is gone when it is restored. */
const goneRequesterMs = 4000;

/** up · killed: its connections break · frozen: they stay, and nothing answers · stale: it hears nothing of new changes */
export type ServerMode = 'up' | 'killed' | 'frozen' | 'stale';

export class SimServer {
  mode: ServerMode = 'up';
  /** It lacked a change at some time. */
  hasForgotten = false;
  /** Added to each way of each request. */
  slowMs = 0;
  /** What each request of a client costs it, and each KiB of an answer: nothing else of that client is answered meanwhile. */
  costMs = { request: 0, kib: 0 };
  /** A store of its own behind the same address, with this one as its only server; null: it belongs to the ensemble. */
  alone: SimEnsemble | null = null;
  /** Whether it answers `srvr`. */
  tellsMode = true;
  /** What a stale server still knows. */
  private past: ZnodeTree | null = null;
  private readonly ahead: (() => void)[] = [];
  private readonly now: ZnodeTree;
  /** Paths of which it lacks the last change, until the next one. */
  private readonly forgotten = new Map<string, Applied<StoredValue>>();
  /** Branches that are missing in its copy. */
  private readonly lacking = new Set<string>();

  constructor(now: ZnodeTree) {
    this.now = now;
  }

  read(path: string): Applied<StoredValue> {
    if (this.lacks(path)) return { ok: false, code: 'no-node' };
    return this.forgotten.get(path) ?? this.tree.read(path);
  }

  list(path: string): Applied<string[]> {
    return this.lacks(path) ? { ok: false, code: 'no-node' } : this.tree.list(path);
  }

  /** For faults: its copy of the tree has no branch `path` any more. */
  lose(path: string): void {
    this.hasForgotten = true;
    this.lacking.add(path);
  }

  lacks(path: string): boolean {
    return [...this.lacking].some((branch) => path === branch || path.startsWith(`${branch}/`));
  }

  /** For faults: from now on it shows `path` as it was before its last change. */
  forget(path: string): void {
    const before = this.now.before(path);
    if (before === null) return;
    this.hasForgotten = true;
    this.forgotten.set(path, before);
  }

  /** `path` has changed; null: everything is known again. */
  learn(path: string | null): void {
    if (path === null) this.lacking.clear();
    if (path === null) this.forgotten.clear();
    else this.forgotten.delete(path);
  }

  get tree(): ZnodeTree {
    return this.past ?? this.now;
  }

  answers(): boolean {
    return this.mode === 'up' || this.mode === 'stale';
  }

  /** Done at once, or when this server has caught up: what it cannot know yet. */
  whenCaughtUp(act: () => void): void {
    if (this.past === null) act();
    else this.ahead.push(act);
  }

  /** It has what the others have. */
  restart(): void {
    this.learn(null);
    this.set(this.mode === 'stale' ? 'up' : this.mode);
  }

  set(mode: ServerMode): void {
    this.mode = mode;
    if (mode === 'killed') this.learn(null); // it comes back with a copy of what the others have
    this.past = mode === 'stale' ? (this.past ?? this.now.copy()) : null;
    if (this.past === null) for (const act of this.ahead.splice(0)) act();
  }
}

const electionAfterPartMs = 400;

export class SimEnsemble {
  /** Called after each applied write: the trace and the checkers listen here. */
  onWrite: (path: string, text: string) => void = () => undefined;
  /** Where everybody may change the tree; null: nowhere. */
  exposure: string | null = null;
  readonly tickMs: number;
  readonly servers: readonly SimServer[];
  /** Clients that hear when the connections to a server break (null: to all of them). */
  readonly onBreak = new Set<(server: SimServer | null) => void>();
  /** Records whose reads are never answered: a faulty disk page, a proxy that drops what is large. */
  readonly unreadable = new Set<string>();
  private readonly time: VirtualTime;
  private readonly sessionPrefix: string;
  private readonly tree: ZnodeTree;
  private readonly sessions = new Map<string, SimSession>();
  private readonly watches = new Map<string, Set<() => void>>();
  private sessionCount = 0;
  private available = true;
  private electing = 0;
  private leader = 0;
  private hasEnded = false;
  /** No session can be over before. */
  private nothingOverBeforeMs = 0;
  private readonly copies = new Map<string, StoreCopy>();
  /** For the checkers: when the data was restored from a copy last; null: never. */
  restoredAtMs: number | null = null;
  /** Rebuilt empty at least once: what stories defined may be gone. */
  wasWiped = false;

  /** `sessionPrefix`: two stores know no session of each other's. */
  constructor(
    time: VirtualTime,
    tickMs: number,
    servers = 1,
    sessionPrefix = '',
    tree = new ZnodeTree(() => time.nowMs),
  ) {
    this.time = time;
    this.tickMs = tickMs;
    this.sessionPrefix = sessionPrefix;
    this.tree = tree;
    this.tree.onWrite = (path, text) => {
      this.learn(path);
      this.onWrite(path, text);
    };
    this.tree.onEvent = (kind, path) => {
      if (kind === 'data') this.learn(path);
      this.fire(kind, path);
    };
    this.servers = Array.from({ length: servers }, () => new SimServer(this.tree));
    this.expire();
  }

  setAvailable(available: boolean): void {
    const before = this.isAvailable();
    this.available = available;
    this.seeQuorum(before);
  }

  isAvailable(): boolean {
    const up = this.servers.filter((server) => server.answers() && server.alone === null).length;
    return this.available && this.electing === 0 && up > this.servers.length / 2;
  }

  /** For faults: server `number` counts from 1; without a leader a new one is elected within `electionMs`. */
  setServer(number: number, mode: ServerMode, electionMs: number): void {
    const server = this.servers[number - 1];
    if (server === undefined) throw new Error(`there are ${this.servers.length} ZooKeeper servers`);
    const before = this.isAvailable();
    server.set(mode);
    if (mode === 'up') this.rejoin(server);
    if (mode === 'killed') for (const hear of [...this.onBreak]) hear(server);
    const leads = number - 1 === this.leader;
    if (leads && mode !== 'up') this.changeLeader(electionMs);
    this.seeQuorum(before);
  }

  /** For faults: every connection breaks, nobody is served until there is a leader again. */
  changeLeader(electionMs: number): void {
    const isFit = ({ mode, alone }: SimServer) => mode === 'up' && alone === null;
    const next = this.servers.findIndex((server, index) => index !== this.leader && isFit(server));
    if (next >= 0) this.leader = next;
    this.electing += 1;
    for (const hear of [...this.onBreak]) hear(null);
    this.time.after(electionMs, () => {
      const before = this.isAvailable();
      this.electing -= 1;
      this.seeQuorum(before);
    });
  }

  get clockErrorMs(): number {
    return this.tree.clockErrorMs;
  }

  /** For faults: the clock of the server that leads from now on is wrong by so much. */
  setClockError(ms: number): void {
    this.tree.clockErrorMs = ms;
  }

  newestZxid(): number {
    return this.tree.zxid;
  }

  /** For faults: server `number` is a store of its own from now on, empty or with a copy of what is there now, until it is `up`. */
  setAlone(number: number, { copy, tellsMode }: { readonly copy: boolean; readonly tellsMode: boolean }): void {
    const server = this.servers[number - 1];
    if (server === undefined) throw new Error(`there are ${this.servers.length} ZooKeeper servers`);
    server.alone?.end();
    const tree = copy ? this.tree.copy() : undefined;
    server.alone = new SimEnsemble(this.time, this.tickMs, 1, `z${number}-`, tree);
    server.alone.onWrite = (path, text) => this.onWrite(path, text);
    server.tellsMode = tellsMode;
    for (const hear of [...this.onBreak]) hear(server);
    if (number - 1 === this.leader) this.changeLeader(electionAfterPartMs);
  }

  leaderNumber(): number {
    return this.leader + 1;
  }

  /** For faults: rebuilt from nothing; no session and no record is left. Nobody may notice by its age (M14 of the client). */
  wipe(): void {
    this.wasWiped = true;
    this.tree.clear();
    this.sessions.clear();
  }

  /** For faults: an administrator copies the data of ZooKeeper. */
  copy(name: string): void {
    this.copies.set(name, { tree: this.tree.copy(), sessions: [...this.sessions.values()] });
  }

  /**
   * For faults: all servers are started on the data of a copy. Sessions of that moment stand again with their locks, and with
   * their whole timeout from now on; a session made since is unknown. A client that has seen a later change is refused by every
   * server (`refuses`), or comes back into its session: a new leader counts from the epoch of the copy, so both happen.
   */
  restore(name: string, refuses: boolean): void {
    const copy = this.copies.get(name);
    if (copy === undefined) throw new Error(`there is no copy "${name}" of the store`);
    const byHand = new Map(
      copy.sessions
        .filter(({ timeoutMs }) => timeoutMs === Number.MAX_SAFE_INTEGER)
        .map(({ id }) => [id, `gone-${id}`]),
    );
    this.tree.restore(copy.tree, refuses ? copy.tree.zxid : this.tree.zxid + 1, (owner) => byHand.get(owner) ?? owner);
    this.sessions.clear();
    for (const { id, timeoutMs } of copy.sessions) {
      this.sessions.set(id, { id, timeoutMs, touchedMs: this.time.nowMs });
      const gone = byHand.get(id);
      if (gone !== undefined)
        this.sessions.set(gone, { id: gone, timeoutMs: goneRequesterMs, touchedMs: this.time.nowMs });
    }
    this.nothingOverBeforeMs = 0;
    this.restoredAtMs = this.time.nowMs;
    for (const server of this.servers) server.restart();
    for (const hear of [...this.onBreak]) hear(null);
  }

  openSession(timeoutMs: number): string {
    this.sessionCount += 1;
    const id = `${this.sessionPrefix}s${this.sessionCount}`;
    this.sessions.set(id, { id, timeoutMs, touchedMs: this.time.nowMs });
    this.nothingOverBeforeMs = 0;
    return id;
  }

  /** Touches the session; false: it is over. */
  touch(id: string): boolean {
    const session = this.sessions.get(id);
    if (session === undefined) return false;
    session.touchedMs = this.time.nowMs;
    return true;
  }

  closeSession(id: string): void {
    this.sessions.delete(id);
    this.tree.dropOwnedBy(id);
  }

  /** For faults: every nodectl that has put a request ends. */
  closeRequests(): void {
    const listed = this.tree.list('/requests');
    for (const id of listed.ok ? listed.value : []) {
      const read = this.tree.read(`/requests/${id}`);
      if (read.ok) this.tree.remove(`/requests/${id}`, read.value.version);
    }
  }

  read(path: string): Applied<StoredValue> {
    return this.tree.read(path);
  }

  list(path: string): Applied<string[]> {
    return this.tree.list(path);
  }

  /** How many watches stand on nodes whose path begins so. */
  watchesBelow(path: string): number {
    const below = [...this.watches].filter(([key]) => key.includes(` ${path}`));
    return below.reduce((sum, [, set]) => sum + set.size, 0);
  }

  /** A watch on what `server` knows: set off at most once. */
  watch(server: SimServer, kind: TreeEvent, path: string, fire: () => void): void {
    if (server.mode === 'stale') {
      server.whenCaughtUp(fire);
      return;
    }
    const key = `${kind} ${path}`;
    const set = this.watches.get(key) ?? new Set();
    set.add(fire);
    this.watches.set(key, set);
  }

  create(sessionId: string, path: string, text: string, mode: CreateMode): Applied<string> {
    return this.tree.create(sessionId, path, text, mode);
  }

  write(path: string, text: string, version: number): Applied<number> {
    return this.tree.write(path, text, version);
  }

  remove(path: string, version: number): Applied<null> {
    return this.tree.remove(path, version);
  }

  commit(sessionId: string, operations: readonly Operation[]): Applied<null> {
    return this.tree.commit(sessionId, operations);
  }

  /** For faults: puts any text anywhere, as a hand with zkCli would. */
  vandalise(path: string, text: string): void {
    const node = this.tree.read(path);
    if (node.ok) this.write(path, text, node.value.version);
    else this.create('', path, text, 'persistent');
  }

  private rejoin(server: SimServer): void {
    if (server.alone === null) return;
    server.alone.end();
    server.alone = null;
    server.tellsMode = true;
    for (const hear of [...this.onBreak]) hear(server);
  }

  /** Nobody is connected to it any more. */
  private end(): void {
    this.hasEnded = true;
  }

  private learn(path: string): void {
    for (const server of this.servers) server.learn(path);
  }

  private seeQuorum(before: boolean): void {
    if (before || !this.isAvailable()) return;
    for (const session of this.sessions.values()) session.touchedMs = this.time.nowMs;
  }

  private fire(kind: TreeEvent, path: string): void {
    const key = `${kind} ${path}`;
    const set = this.watches.get(key);
    if (set === undefined) return;
    this.watches.delete(key);
    for (const call of set) this.time.after(1, call);
  }

  /** Expires sessions at ticks, as the leader does: never before the whole timeout has passed. */
  private expire(): void {
    if (this.hasEnded) return;
    const { nowMs } = this.time;
    if (this.isAvailable() && nowMs > this.nothingOverBeforeMs) {
      let nextMs = Infinity;
      for (const { id, touchedMs, timeoutMs } of [...this.sessions.values()]) {
        if (nowMs - touchedMs > timeoutMs) this.closeSession(id);
        else nextMs = Math.min(nextMs, touchedMs + timeoutMs);
      }
      this.nothingOverBeforeMs = nextMs;
    }
    this.time.after(this.tickMs, () => this.expire());
  }
}
