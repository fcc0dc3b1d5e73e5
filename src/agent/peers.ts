/**
 * The registrations of all nodes, always at hand, this node's own among them: read again when the store says that one has changed, when a
 * node's incarnation has, in a new session, and while the seal on its devices cannot be opened, since a change of the cluster key seals
 * them anew without a new life of the node. Before a node is fenced by them they are compared with its last keepalive (`asOf`).
 */
import type { Environment } from '../environment/environment.ts';
import { sealContext } from '../records/device.ts';
import { Registration } from '../records/registration.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { History } from './history.ts';

export class Peers {
  private readonly env: Environment;
  private readonly history: History;
  private readonly known = new Map<string, Registration>();
  private readonly unreadable = new Map<string, string>();
  /** Nodes whose registration must be read again. */
  private readonly stale = new Set<string>();
  /** All nodes, as the store listed them last. */
  private listed: readonly string[] = [];
  /** Names whose node has not registered yet. */
  private readonly unregistered = new Set<string>();
  /** With which keys the seal of each registration was opened last. */
  private readonly openedWith = new WeakMap<Registration, string>();
  /** Nothing was left to read the last time: of which names, with which keys, and who of them is known. */
  /** The session in which the store was asked to say what changes (SessionView.generation). */
  private generation = -1;
  /** One function for each node: the store's client would hold a new one each time. */
  private readonly onChange = new Map<string, () => void>();
  private settled: { readonly listed: readonly string[]; readonly keys: string; readonly names: string[] } | null =
    null;

  constructor(env: Environment, history: History) {
    this.env = env;
    this.history = history;
  }

  get(name: string): Registration | null {
    return this.known.get(name) ?? null;
  }

  all(): Registration[] {
    return [...this.known.values()];
  }

  others(name: string): Registration[] {
    return this.all().filter((one) => one.name !== name);
  }

  /** Listed in the store, or recalled from the disk, and not read from the store as it is now: nothing of it may be relied on. */
  unknown(): string[] {
    const names = new Set([...this.listed, ...this.stale]);
    const isUnknown = (name: string) => this.stale.has(name) || !this.known.has(name);
    return [...names].filter((name) => isUnknown(name) && !this.unregistered.has(name)).sort();
  }

  /** What was kept on the disk: only until the store tells better. */
  recall(registrations: readonly Registration[]): void {
    for (const registration of registrations) {
      if (this.known.has(registration.name)) continue;
      this.known.set(registration.name, registration);
      this.stale.add(registration.name);
    }
  }

  /** Called with each keepalive: a new incarnation means a new registration. */
  saw(name: string, incarnation: string): void {
    if (this.known.get(name)?.incarnation !== incarnation) this.stale.add(name);
  }

  /**
   * Makes sure that what is known of a node is no older than this life of it: a fence by the devices of an older one would switch whatever
   * they feed by now. False: the store did not answer.
   */
  async asOf(name: string, incarnation: string | null): Promise<boolean> {
    if (this.known.get(name)?.incarnation === incarnation || incarnation === null) return true;
    return this.readOne(name);
  }

  /** What is known may be of another time: a session has ended, or the store was restored. */
  readAgain(): void {
    for (const name of this.known.keys()) this.stale.add(name);
  }

  /** Lists the nodes and reads what is new. Null: the store did not answer. */
  async refresh(): Promise<string[] | null> {
    const listed = await this.env.store.list(tree.nodes);
    if (!listed.ok) return null;
    const names = listed.names;
    this.listed = names;
    const { generation } = this.env.store.session();
    if (generation !== this.generation) this.readAgain();
    this.generation = generation;
    const keys = this.env.secrets.keyNames().join();
    if (this.stale.size === 0 && this.settled?.keys === keys && isSameList(this.settled.listed, names))
      return this.settled.names;
    const there = new Set(names);
    for (const name of [...this.known.keys()]) if (!there.has(name)) this.known.delete(name);
    for (const set of [this.stale, this.unregistered]) for (const name of set) if (!there.has(name)) set.delete(name);
    for (const map of [this.unreadable, this.onChange])
      for (const name of map.keys()) if (!there.has(name)) map.delete(name);
    const wanted = names.filter((name) => this.stale.has(name) || !this.isUsable(name, keys));
    await Promise.all(wanted.map((name) => this.readOne(name)));
    const found = names.filter((name) => this.known.has(name));
    this.settled = wanted.length === 0 ? { listed: names, keys, names: found } : null;
    return found;
  }

  private isUsable(name: string, keys: string): boolean {
    const registration = this.known.get(name);
    if (registration?.devicesSealed == null) return registration !== undefined;
    if (this.openedWith.get(registration) === keys) return true;
    const opens = this.env.secrets.open(registration.devicesSealed, sealContext(name)) !== null;
    if (opens) this.openedWith.set(registration, keys);
    return opens;
  }

  /** False: the store did not answer. */
  private async readOne(name: string): Promise<boolean> {
    const onChange = this.onChange.get(name) ?? (() => void this.stale.add(name));
    this.onChange.set(name, onChange);
    const read = await this.env.store.read(tree.node(name), onChange);
    if (!read.ok) return read.code === 'no-node';
    if (read.text === '') this.unregistered.add(name);
    else this.unregistered.delete(name);
    if (read.text === '') return true; // that node has made its place and not registered yet
    const parsed = parseRecord(Registration, read.text);
    if (parsed.ok && parsed.record.name === name) {
      this.known.set(name, parsed.record);
      this.stale.delete(name);
      this.unreadable.delete(name);
      return true;
    }
    const because = parsed.ok ? `it says that its name is "${parsed.record.name}"` : parsed.because;
    if (this.unreadable.get(name) === because) return true;
    this.unreadable.set(name, because);
    this.history.happened('record-unreadable', `${tree.node(name)} cannot be read: ${because}`, { node: name });
    return true;
  }
}

/** The very same things in the same order. */
export function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((thing, index) => thing === other[index]);
}
