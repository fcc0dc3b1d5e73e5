/**
 * The store's server side in the simulator: one linearizable tree with versions, sessions and their expiry, as
 * ZooKeeper keeps them. `available` false is a lost quorum: nothing answers, nothing expires; when it comes back, every
 * session starts anew with its full time (as under a new leader).
 */
import type { CreateMode, Operation, StoreFailureCode, StoredValue } from '../environment/store.ts';
import type { VirtualTime } from './clock.ts';
import { wallEpochMs } from './process.ts';

interface Znode {
  text: string;
  version: number;
  modifiedMs: number;
  readonly owner: string | null;
  /** Counts created children: the number of the next sequential one. */
  created: number;
  readonly children: Set<string>;
}

interface SimSession {
  readonly id: string;
  readonly timeoutMs: number;
  touchedMs: number;
}

export type Applied<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly code: StoreFailureCode };

export class SimEnsemble {
  available = true;
  /** Called after each applied write: the trace and the checkers listen here. */
  onWrite: (path: string, text: string) => void = () => undefined;
  readonly tickMs: number;
  private readonly time: VirtualTime;
  private readonly tree = new Map<string, Znode>();
  private readonly sessions = new Map<string, SimSession>();
  private readonly watches = new Map<string, Set<() => void>>();
  private sessionCount = 0;

  constructor(time: VirtualTime, tickMs: number) {
    this.time = time;
    this.tickMs = tickMs;
    this.tree.set('/', this.newNode('', null));
    this.expire();
  }

  setAvailable(available: boolean): void {
    if (available && !this.available) for (const session of this.sessions.values()) session.touchedMs = this.time.nowMs;
    this.available = available;
  }

  /** For faults: rebuilt from nothing; no session and no record is left. */
  wipe(): void {
    for (const path of [...this.tree.keys()]) if (path !== '/') this.tree.delete(path);
    this.tree.get('/')?.children.clear();
    this.sessions.clear();
  }

  isAvailable(): boolean {
    return this.available;
  }

  openSession(timeoutMs: number): string {
    this.sessionCount += 1;
    const id = `s${this.sessionCount}`;
    this.sessions.set(id, { id, timeoutMs, touchedMs: this.time.nowMs });
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
    for (const [path, node] of [...this.tree]) if (node.owner === id) this.removeNode(path);
  }

  read(path: string): Applied<StoredValue> {
    const node = this.tree.get(path);
    if (node === undefined) return { ok: false, code: 'no-node' };
    const { text, version, owner } = node;
    return { ok: true, value: { text, version, owner, modifiedWallMs: wallEpochMs + node.modifiedMs } };
  }

  list(path: string): Applied<string[]> {
    const node = this.tree.get(path);
    return node === undefined ? { ok: false, code: 'no-node' } : { ok: true, value: [...node.children].sort() };
  }

  watch(path: string, kind: 'data' | 'list', fire: () => void): void {
    const key = `${kind} ${path}`;
    const set = this.watches.get(key) ?? new Set();
    set.add(fire);
    this.watches.set(key, set);
  }

  create(sessionId: string, path: string, text: string, mode: CreateMode): Applied<string> {
    const parentPath = parentOf(path);
    const parent = this.tree.get(parentPath);
    if (parent === undefined) return { ok: false, code: 'no-node' };
    const sequential = mode.endsWith('sequential');
    const full = sequential ? `${path}${String(parent.created).padStart(10, '0')}` : path;
    if (this.tree.has(full)) return { ok: false, code: 'node-exists' };
    parent.created += 1;
    parent.children.add(full.slice(parentPath === '/' ? 1 : parentPath.length + 1));
    this.tree.set(full, this.newNode(text, mode.startsWith('ephemeral') ? sessionId : null));
    this.fire('list', parentPath);
    this.onWrite(full, text);
    return { ok: true, value: full };
  }

  write(path: string, text: string, version: number): Applied<number> {
    const refusal = this.refuses(path, version);
    const node = this.tree.get(path);
    if (refusal !== null || node === undefined) return { ok: false, code: refusal ?? 'no-node' };
    node.text = text;
    node.version += 1;
    node.modifiedMs = this.time.nowMs;
    this.fire('data', path);
    this.onWrite(path, text);
    return { ok: true, value: node.version };
  }

  remove(path: string, version: number): Applied<null> {
    const refusal = this.refuses(path, version);
    if (refusal !== null) return { ok: false, code: refusal };
    if ((this.tree.get(path)?.children.size ?? 0) > 0) return { ok: false, code: 'not-empty' };
    this.removeNode(path);
    return { ok: true, value: null };
  }

  /** All or nothing: everything is checked first, then everything is done (no operation here depends on another's). */
  commit(sessionId: string, operations: readonly Operation[]): Applied<null> {
    for (const operation of operations) {
      const refusal =
        operation.kind === 'create'
          ? this.tree.has(operation.path)
            ? 'node-exists'
            : null
          : this.refuses(operation.path, operation.version);
      if (refusal !== null) return { ok: false, code: refusal };
    }
    for (const operation of operations) {
      if (operation.kind === 'create') this.create(sessionId, operation.path, operation.text, operation.mode);
      else if (operation.kind === 'write') this.write(operation.path, operation.text, operation.version);
      else if (operation.kind === 'remove') this.remove(operation.path, operation.version);
    }
    return { ok: true, value: null };
  }

  /** For faults: puts any text anywhere, as a hand with zkCli would. */
  vandalise(path: string, text: string): void {
    const node = this.tree.get(path);
    if (node !== undefined) this.write(path, text, node.version);
    else this.create('', path, text, 'persistent');
  }

  private refuses(path: string, version: number): StoreFailureCode | null {
    const node = this.tree.get(path);
    if (node === undefined) return 'no-node';
    return node.version === version ? null : 'bad-version';
  }

  private newNode(text: string, owner: string | null): Znode {
    return { text, version: 0, modifiedMs: this.time.nowMs, owner, created: 0, children: new Set() };
  }

  private removeNode(path: string): void {
    const parentPath = parentOf(path);
    this.tree.delete(path);
    this.tree.get(parentPath)?.children.delete(path.slice(parentPath === '/' ? 1 : parentPath.length + 1));
    this.fire('data', path);
    this.fire('list', parentPath);
  }

  private fire(kind: 'data' | 'list', path: string): void {
    const key = `${kind} ${path}`;
    const set = this.watches.get(key);
    this.watches.delete(key);
    for (const call of set ?? []) this.time.after(1, call);
  }

  /** Expires sessions at ticks, as the leader does: never before the whole timeout has passed. */
  private expire(): void {
    if (this.available) {
      for (const session of [...this.sessions.values()]) {
        if (this.time.nowMs - session.touchedMs > session.timeoutMs) this.closeSession(session.id);
      }
    }
    this.time.after(this.tickMs, () => this.expire());
  }
}

function parentOf(path: string): string {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
}
