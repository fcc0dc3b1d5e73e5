/**
 * The nodes that were registered before ZooKeeper was restored from an old copy or recreated empty. A node that the store does not list
 * any more may hold the role or run guests all the same: its noded hangs, or has not come back yet. It is waited for like any other, until
 * it has registered again.
 */
import type { NamesBefore } from '../records/api.ts';
import { livesMax } from '../records/api.ts';
import type { Registration } from '../records/registration.ts';

export class NodesBefore {
  private readonly coordinators = new Set<string>();
  private readonly hypervisors = new Set<string>();

  /** `isOff`: confirmed off; `isStopped`: its noded stopped cleanly, so it holds nothing of the role. */
  see({ name, role, vms }: Pick<Registration, 'name' | 'role' | 'vms'>, isOff: boolean, isStopped: boolean): void {
    if (isOff) return;
    if (role === 'coordinator' && !isStopped) this.coordinators.add(name);
    if (vms !== null) this.hypervisors.add(name);
  }

  add({ coordinators, hypervisors }: NamesBefore): void {
    for (const name of coordinators) this.coordinators.add(name);
    for (const name of hypervisors) this.hypervisors.add(name);
  }

  /** Which of them the store does not list. */
  unlisted(kind: keyof NamesBefore, listed: Iterable<Pick<Registration, 'name'>>): string[] {
    const names = new Set([...listed].map(({ name }) => name));
    return [...this[kind]].filter((name) => !names.has(name)).sort();
  }

  names(): NamesBefore {
    const first = (names: Set<string>) => [...names].slice(0, livesMax);
    return { coordinators: first(this.coordinators), hypervisors: first(this.hypervisors) };
  }

  clear(): void {
    this.coordinators.clear();
    this.hypervisors.clear();
  }
}

/** Why a node that is not listed is waited for. */
export function unlistedInWords(name: string): string {
  return `${name} was in the cluster before that and has not registered again: start its noded`;
}
