/**
 * The registrations of all nodes, always at hand: read again when a node's incarnation has changed, and while the seal on its
 * devices cannot be opened, since a change of the cluster key seals them anew without a new life of the node.
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

  /** Lists the nodes and reads what is new. Null: the store did not answer. */
  async refresh(): Promise<string[] | null> {
    const listed = await this.env.store.list(tree.nodes);
    if (!listed.ok) return null;
    const names = listed.names;
    this.listed = names;
    const keys = this.env.secrets.keyNames().join();
    if (this.stale.size === 0 && this.settled?.keys === keys && isSameList(this.settled.listed, names))
      return this.settled.names;
    const there = new Set(names);
    for (const name of [...this.known.keys()]) if (!there.has(name)) this.known.delete(name);
    for (const set of [this.stale, this.unregistered]) for (const name of set) if (!there.has(name)) set.delete(name);
    for (const name of this.unreadable.keys()) if (!there.has(name)) this.unreadable.delete(name);
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

  private async readOne(name: string): Promise<void> {
    const read = await this.env.store.read(tree.node(name));
    if (!read.ok) return;
    if (read.text === '') this.unregistered.add(name);
    else this.unregistered.delete(name);
    if (read.text === '') return; // that node has made its place and not registered yet
    const parsed = parseRecord(Registration, read.text);
    if (parsed.ok && parsed.record.name === name) {
      this.known.set(name, parsed.record);
      this.stale.delete(name);
      this.unreadable.delete(name);
      return;
    }
    const because = parsed.ok ? `it says that its name is "${parsed.record.name}"` : parsed.because;
    if (this.unreadable.get(name) === because) return;
    this.unreadable.set(name, because);
    this.history.happened('record-unreadable', `${tree.node(name)} cannot be read: ${because}`, { node: name });
  }
}

/** The very same things in the same order. */
export function isSameList(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === other.length && one.every((thing, index) => thing === other[index]);
}
