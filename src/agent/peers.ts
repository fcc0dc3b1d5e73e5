/** The registrations of all nodes, read again only when a node's incarnation has changed: small, and always at hand. */
import type { Environment } from '../environment/environment.ts';
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
    for (const name of [...this.known.keys()]) if (!names.includes(name)) this.known.delete(name);
    const wanted = names.filter((name) => !this.known.has(name) || this.stale.has(name));
    await Promise.all(wanted.map((name) => this.readOne(name)));
    return names.filter((name) => this.known.has(name));
  }

  private async readOne(name: string): Promise<void> {
    const read = await this.env.store.read(tree.node(name));
    if (!read.ok) return;
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
