/**
 * `Store` on ZooKeeper: paths under the cluster's root, digest ACLs for everything, one transaction helper that sets each
 * version explicitly (the library turns version 0 into "any", M11), errors as values.
 */
import type { Contradiction } from '../../core/contradiction.ts';
import { Contradictions, contradictionSentence } from '../../core/contradiction.ts';
import type {
  CreateMode,
  Gate,
  NewConnection,
  Operation,
  SessionView,
  Store,
  StoreResult,
  StoredValue,
} from '../../environment/store.ts';
import { treeRoots } from '../../records/tree.ts';
import { monotonicMs } from '../clock.ts';
import type { Owners } from './access.ts';
import { exposureOf, ownAcl, watchAccess } from './access.ts';
import type { Reply } from './client.ts';
import { bytesMax, failure, tooLarge } from './failures.ts';
import { errorCode, library } from './library.ts';
import type { LibraryClient, LibraryStat, Transaction } from './library.ts';
import type { RawConnection, Send, Session, SessionOptions } from './session.ts';
import { openSession } from './session.ts';
import { shapeOf } from './server-shape.ts';
import { Watches } from './watches.ts';

export interface ZooKeeperStoreOptions extends SessionOptions {
  /** e.g. `/nodekeeper/production`; made when it does not exist. */
  readonly root: string;
  /** x509 subjects that may touch the tree as well. */
  readonly subjects?: readonly string[];
  /** Told of each path of the tree that somebody else may touch. */
  readonly onForeignAccess?: (because: string) => void;
}

const modes: Readonly<Record<CreateMode, number>> = {
  persistent: library.CreateMode.PERSISTENT,
  ephemeral: library.CreateMode.EPHEMERAL,
  'persistent-sequential': library.CreateMode.PERSISTENT_SEQUENTIAL,
  'ephemeral-sequential': library.CreateMode.EPHEMERAL_SEQUENTIAL,
};

/** Above the cluster's root others may make roots of their own, and nothing else. */
const forOthers = new library.ACL(library.Permission.READ | library.Permission.CREATE, library.Id.ANYONE_ID_UNSAFE);

/** Opens the store. The root is made on the first write that misses it. */
export function openZooKeeperStore(options: ZooKeeperStoreOptions): Store {
  const { root, keys, subjects = [], onForeignAccess } = options;
  const session = openSession(options);
  const owners = { keys, subjects };
  if (onForeignAccess !== undefined) watchAccess(session, rootsOf(root), owners, onForeignAccess);
  return new ZooKeeperStore(options, session, owners);
}

class ZooKeeperStore implements Store {
  private readonly root: string;
  private readonly link: Session;
  private readonly owners: Owners;
  private readonly options: ZooKeeperStoreOptions;
  private readonly servers: number;
  private readonly hearers = new Set<(because: string) => void>();
  private readonly contradictions: Contradictions;
  private readonly watches = new Watches();
  /** The session whose watches these are. */
  private generation = 0;

  constructor(options: ZooKeeperStoreOptions, link: Session, owners: Owners) {
    const { root, servers, sessionTimeoutMs } = options;
    this.options = options;
    this.root = root;
    this.link = link;
    this.owners = owners;
    this.servers = servers.length;
    this.contradictions = new Contradictions(sessionTimeoutMs);
    link.subscribe(({ state, generation }) => {
      if (state !== 'connected') this.contradictions.forget();
      if (generation !== this.generation) this.watches.forget();
      this.generation = generation;
    });
  }

  guard(gate: Gate): void {
    this.link.guard((connection) => gate(this.newConnection(connection)));
  }

  session(): SessionView {
    return this.link.view();
  }

  onSession(listener: (view: SessionView) => void): () => void {
    return this.link.subscribe(listener);
  }

  onContradiction(listener: (because: string) => void): () => void {
    this.hearers.add(listener);
    return () => this.hearers.delete(listener);
  }

  async read(path: string, onChange?: () => void): Promise<StoreResult<StoredValue>> {
    const watch = onChange && this.watches.add(`data ${path}`, onChange);
    const read = valueOf(await this.link.request('read', getData(this.at(path), watch?.fire)), path);
    if (!read.ok) watch?.undo();
    this.contradictions.read(path, read);
    return read;
  }

  async list(path: string, onChange?: () => void): Promise<StoreResult<{ readonly names: string[] }>> {
    const watch = onChange && this.watches.add(`list ${path}`, onChange);
    const reply = await this.link.request<string[]>('read', (client, done) =>
      client.getChildren(this.at(path), watch?.fire, (error, names) => done(error, names)),
    );
    if (!reply.ok) watch?.undo();
    return reply.ok ? { ok: true, names: [...reply.value].sort() } : failure(reply, path);
  }

  async create(path: string, text: string, mode: CreateMode): Promise<StoreResult<{ readonly path: string }>> {
    const data = Buffer.from(text);
    if (data.length > bytesMax) return tooLarge(path, data.length);
    const reply = await this.createBy((send) => this.link.request('write', send), path, data, mode);
    return this.settle([{ kind: 'create', path, text, mode }], reply, (made) => ({
      ok: true,
      path: made.slice(this.root.length),
    }));
  }

  async write(path: string, text: string, version: number): Promise<StoreResult<{ readonly version: number }>> {
    assertVersion(path, version);
    const data = Buffer.from(text);
    if (data.length > bytesMax) return tooLarge(path, data.length);
    const reply = await this.link.request('write', setData(this.at(path), data, version));
    return this.settle([{ kind: 'write', path, text, version }], reply, (stat) => ({
      ok: true,
      version: stat.version,
    }));
  }

  async remove(path: string, version: number): Promise<StoreResult<object>> {
    assertVersion(path, version);
    const reply = await this.link.request<undefined>('write', (client, done) =>
      client.remove(this.at(path), version, (error) => done(error, undefined)),
    );
    return this.settle([{ kind: 'remove', path, version }], reply, () => ({ ok: true }));
  }

  async commit(operations: readonly Operation[]): Promise<StoreResult<object>> {
    for (const operation of operations)
      if (operation.kind !== 'create') assertVersion(operation.path, operation.version);
    let at = -1;
    const reply = await this.link.request<undefined>('write', (client, done) =>
      this.transaction(client, operations).commit((error, results = []) => {
        at = results.findIndex(({ err = 0 }) => err !== 0);
        done(error, undefined);
      }),
    );
    return this.settle(operations, reply, () => ({ ok: true }), at);
  }

  async exposure(): Promise<StoreResult<{ readonly where: string | null }>> {
    const reply = await exposureOf(this.link, rootsOf(this.root));
    return reply.ok ? { ok: true, where: reply.value } : failure(reply, '/');
  }

  counts(): Record<string, number> {
    return { ...this.link.counts(), 'store.watches': this.watches.size, 'store.hearers': this.hearers.size };
  }

  abandon(because: string): Promise<void> {
    return this.link.abandon(because);
  }

  close(deadlineMs: number): Promise<void> {
    return this.link.close(deadlineMs);
  }

  /** What became of `changes`; `at`: which of them was the refused one, if any. */
  private settle<V, T>(
    changes: readonly Operation[],
    reply: Reply<V>,
    result: (value: V) => StoreResult<T>,
    at = 0,
  ): StoreResult<T> {
    if (reply.ok) {
      this.contradictions.done(changes);
      return result(reply.value);
    }
    const change = changes[at];
    const failed = failure(reply, change?.path ?? changes.map(({ path }) => path).join(', '));
    const found = change === undefined ? null : this.contradictions.refuses(change, failed.code, monotonicMs());
    if (found !== null) this.leave(found);
    return failed;
  }

  /** STORE10. */
  private leave(found: Contradiction): void {
    const server = this.link.server();
    const { isNews, leaves, wrong } = this.contradictions.judge(found.path, server, monotonicMs(), this.servers);
    const because = contradictionSentence(server, found, wrong, this.servers);
    if (leaves) this.link.leaveServer(because);
    if (isNews) for (const hear of [...this.hearers]) hear(because);
  }

  private at(path: string): string {
    return path === '/' ? this.root : this.root + path;
  }

  private transaction(client: LibraryClient, operations: readonly Operation[]): Transaction {
    const transaction = client.transaction();
    const acl = ownAcl(this.owners);
    for (const operation of operations) {
      const path = this.at(operation.path);
      if (operation.kind === 'create')
        transaction.create(path, Buffer.from(operation.text), acl, modes[operation.mode]);
      else {
        if (operation.kind === 'write') transaction.setData(path, Buffer.from(operation.text), operation.version);
        else if (operation.kind === 'remove') transaction.remove(path, operation.version);
        else transaction.check(path, operation.version);
        const last = transaction.ops.at(-1);
        if (last !== undefined) last.version = operation.version; // M11
      }
    }
    return transaction;
  }

  /** What the gate may do over a connection that is not let in yet. */
  private newConnection(raw: RawConnection): NewConnection {
    const { server, at } = raw;
    const { servers, connectTimeoutMs, tls = null } = this.options;
    const request: Request = (send) => raw.request(send);
    return {
      server,
      servers,
      shape: () => shapeOf({ server, at, request, tls, withinMs: Math.max(connectTimeoutMs, 500) }),
      read: async (path) => valueOf(await request(getData(this.at(path), undefined)), path),
      create: async (path, text) => {
        const reply = await this.createBy(request, path, Buffer.from(text), 'persistent');
        return reply.ok ? { ok: true } : failure(reply, path);
      },
      write: async (path, text, version) => {
        const reply = await request(setData(this.at(path), Buffer.from(text), version));
        return reply.ok ? { ok: true } : failure(reply, path);
      },
      readFromAll: async (path) => {
        const replies = await raw.requestAll(getData(this.at(path), undefined));
        return replies.map((one) => ({ server: one.server, read: valueOf(one.reply, path) }));
      },
    };
  }

  private async createBy(request: Request, path: string, data: Buffer, mode: CreateMode): Promise<Reply<string>> {
    const acl = ownAcl(this.owners);
    const send: Send<string> = (client, done) => client.create(this.at(path), data, acl, modes[mode], done);
    const reply = await request(send);
    if (reply.ok || reply.code !== errorCode.noNode || !(await this.makeRoot(request))) return reply;
    return request(send);
  }

  /** Makes the root's path; true when it now exists. */
  private async makeRoot(request: Request): Promise<boolean> {
    const parts = this.root.split('/').slice(1);
    for (let length = 1; length <= parts.length; length += 1) {
      const path = `/${parts.slice(0, length).join('/')}`;
      const own = ownAcl(this.owners);
      const acl = length === parts.length ? own : [...own, forOthers];
      const reply = await request<string>((client, done) =>
        client.create(path, Buffer.from(''), acl, modes.persistent, done),
      );
      if (!reply.ok && reply.code !== errorCode.nodeExists) return false;
    }
    return true;
  }
}

type Request = <T>(send: Send<T>) => Promise<Reply<T>>;
interface Got {
  readonly data: Buffer | null | undefined;
  readonly stat: LibraryStat;
}

function getData(path: string, watcher: (() => void) | undefined): Send<Got> {
  return (client, done) => client.getData(path, watcher, (error, data, stat) => done(error, { data, stat }));
}

function setData(path: string, data: Buffer, version: number): Send<LibraryStat> {
  return (client, done) => client.setData(path, data, version, done);
}

function valueOf(reply: Reply<Got>, path: string): StoreResult<StoredValue> {
  if (!reply.ok) return failure(reply, path);
  const { data, stat } = reply.value;
  const owner = stat.ephemeralOwner.toString('hex');
  return {
    ok: true,
    text: data?.toString('utf8') ?? '',
    version: stat.version,
    modifiedWallMs: Number(stat.mtime.readBigInt64BE(0)),
    owner: /^0*$/.test(owner) ? null : owner,
  };
}

const rootsOf = (root: string): string[] => [root, ...treeRoots.map((path) => `${root}${path}`)];

function assertVersion(path: string, version: number): void {
  if (!Number.isInteger(version) || version < 0) throw new Error(`a write to ${path} without a version (${version})`);
}
