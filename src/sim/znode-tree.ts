/** ZooKeeper's tree: znodes with versions and owners, one linear order of changes. Who may read it when is ensemble.ts. */
import type { CreateMode, Operation, StoreFailureCode, StoredValue } from '../environment/store.ts';
import { wallEpochMs } from './process.ts';

interface Znode {
  text: string;
  /** Its text one version ago. */
  textBefore: string;
  version: number;
  modifiedMs: number;
  readonly owner: string | null;
  /** Counts created children: the number of the next sequential one. */
  created: number;
  readonly children: Set<string>;
  /** The children, sorted; null: must be sorted anew. */
  sorted: readonly string[] | null;
}

export type Applied<T> =
  | { readonly ok: true; readonly value: T }
  /** `path` of a commit that was refused: because of which one. */
  | { readonly ok: false; readonly code: StoreFailureCode; readonly path?: string };

export type TreeEvent = 'data' | 'list';

export class ZnodeTree {
  /** Grows by one with each change, as ZooKeeper's own. */
  zxid = 0;
  /** Called after each created or changed znode. */
  onWrite: (path: string, text: string) => void = () => undefined;
  /** Called for each watch that a change would set off. */
  onEvent: (kind: TreeEvent, path: string) => void = () => undefined;
  private readonly nodes: Map<string, Znode>;
  private readonly ownedBy = new Map<string, Set<string>>();
  /** By how much the clock of whoever stamps changes is wrong. */
  clockErrorMs = 0;
  private readonly nowMs: () => number;

  constructor(nowMs: () => number, nodes: Map<string, Znode> = new Map()) {
    this.nowMs = nowMs;
    this.nodes = nodes;
    if (nodes.size === 0) nodes.set('/', this.newNode('', null));
  }

  /** As it is now, for a server that hears nothing of later changes. */
  copy(): ZnodeTree {
    const nodes = new Map([...this.nodes].map(([path, node]) => [path, { ...node, children: new Set(node.children) }]));
    const copied = new ZnodeTree(this.nowMs, nodes);
    copied.zxid = this.zxid;
    return copied;
  }

  /** As it was in `copy`, owners included; the number of the last change is `zxid`. Nobody hears of it. */
  restore(copy: ZnodeTree, zxid: number, ownerNow: (owner: string) => string): void {
    this.nodes.clear();
    this.ownedBy.clear();
    for (const [path, node] of copy.copy().nodes) {
      const owner = node.owner === null ? null : ownerNow(node.owner);
      this.nodes.set(path, { ...node, owner });
      if (owner !== null) this.owned(owner).add(path);
    }
    this.zxid = zxid;
  }

  clear(): void {
    for (const path of [...this.nodes.keys()]) if (path !== '/') this.nodes.delete(path);
    const root = this.nodes.get('/');
    root?.children.clear();
    if (root !== undefined) root.sorted = null;
    this.ownedBy.clear();
  }

  read(path: string): Applied<StoredValue> {
    const node = this.nodes.get(path);
    if (node === undefined) return { ok: false, code: 'no-node' };
    const { text, version, owner } = node;
    return { ok: true, value: { text, version, owner, modifiedWallMs: wallEpochMs + node.modifiedMs } };
  }

  /** What a copy shows that lacks the last change of `path`; null: there is no such path. */
  before(path: string): Applied<StoredValue> | null {
    const read = this.read(path);
    if (!read.ok) return null;
    if (read.value.version === 0) return { ok: false, code: 'no-node' };
    const text = this.nodes.get(path)?.textBefore ?? '';
    return { ok: true, value: { ...read.value, text, version: read.value.version - 1 } };
  }

  list(path: string): Applied<string[]> {
    const node = this.nodes.get(path);
    if (node === undefined) return { ok: false, code: 'no-node' };
    node.sorted ??= [...node.children].sort();
    return { ok: true, value: [...node.sorted] };
  }

  create(owner: string, path: string, text: string, mode: CreateMode): Applied<string> {
    const parentPath = parentOf(path);
    const parent = this.nodes.get(parentPath);
    if (parent === undefined) return { ok: false, code: 'no-node' };
    const sequential = mode.endsWith('sequential');
    const full = sequential ? `${path}${String(parent.created).padStart(10, '0')}` : path;
    if (this.nodes.has(full)) return { ok: false, code: 'node-exists' };
    const isEphemeral = mode.startsWith('ephemeral');
    parent.created += 1;
    parent.children.add(nameOf(full, parentPath));
    parent.sorted = null;
    this.nodes.set(full, this.newNode(text, isEphemeral ? owner : null));
    if (isEphemeral) this.owned(owner).add(full);
    this.zxid += 1;
    this.onEvent('list', parentPath);
    this.onWrite(full, text);
    return { ok: true, value: full };
  }

  write(path: string, text: string, version: number): Applied<number> {
    const refusal = this.refuses(path, version);
    const node = this.nodes.get(path);
    if (refusal !== null || node === undefined) return { ok: false, code: refusal ?? 'no-node' };
    node.textBefore = node.text;
    node.text = text;
    node.version += 1;
    node.modifiedMs = this.nowMs() + this.clockErrorMs;
    this.zxid += 1;
    this.onEvent('data', path);
    this.onWrite(path, text);
    return { ok: true, value: node.version };
  }

  remove(path: string, version: number): Applied<null> {
    const refusal = this.refuses(path, version);
    if (refusal !== null) return { ok: false, code: refusal };
    if ((this.nodes.get(path)?.children.size ?? 0) > 0) return { ok: false, code: 'not-empty' };
    this.drop(path);
    return { ok: true, value: null };
  }

  /** All or nothing: everything is checked first, then everything is done (no operation here depends on another's). */
  commit(owner: string, operations: readonly Operation[]): Applied<null> {
    for (const operation of operations) {
      const refusal =
        operation.kind === 'create'
          ? this.nodes.has(operation.path)
            ? 'node-exists'
            : null
          : this.refuses(operation.path, operation.version);
      if (refusal !== null) return { ok: false, code: refusal, path: operation.path };
    }
    for (const operation of operations) {
      if (operation.kind === 'create') this.create(owner, operation.path, operation.text, operation.mode);
      else if (operation.kind === 'write') this.write(operation.path, operation.text, operation.version);
      else if (operation.kind === 'remove') this.remove(operation.path, operation.version);
    }
    return { ok: true, value: null };
  }

  /** The ephemerals of a session go with it. */
  dropOwnedBy(owner: string): void {
    for (const path of this.ownedBy.get(owner) ?? []) this.drop(path);
    this.ownedBy.delete(owner);
  }

  private owned(owner: string): Set<string> {
    const paths = this.ownedBy.get(owner) ?? new Set();
    this.ownedBy.set(owner, paths);
    return paths;
  }

  private refuses(path: string, version: number): StoreFailureCode | null {
    const node = this.nodes.get(path);
    if (node === undefined) return 'no-node';
    return node.version === version ? null : 'bad-version';
  }

  private newNode(text: string, owner: string | null): Znode {
    return {
      text,
      textBefore: '',
      version: 0,
      modifiedMs: this.nowMs() + this.clockErrorMs,
      owner,
      created: 0,
      children: new Set(),
      sorted: null,
    };
  }

  private drop(path: string): void {
    const node = this.nodes.get(path);
    const parentPath = parentOf(path);
    const parent = this.nodes.get(parentPath);
    this.nodes.delete(path);
    if (node?.owner != null) this.ownedBy.get(node.owner)?.delete(path);
    parent?.children.delete(nameOf(path, parentPath));
    if (parent !== undefined) parent.sorted = null;
    this.zxid += 1;
    this.onEvent('data', path);
    this.onEvent('list', parentPath);
  }
}

function parentOf(path: string): string {
  const cut = path.lastIndexOf('/');
  return cut <= 0 ? '/' : path.slice(0, cut);
}

function nameOf(path: string, parentPath: string): string {
  return path.slice(parentPath === '/' ? 1 : parentPath.length + 1);
}
