/**
 * The nodes that were registered before ZooKeeper was restored from an old copy or recreated empty. A node that the store does not list
 * any more, or lists as one of another kind, may hold the role or run guests all the same: its noded hangs, or has not come back yet. It is
 * waited for like any other, until it has been heard, or has registered again.
 */
import type { NamesBefore } from '../records/api.ts';
import { livesMax } from '../records/api.ts';
import type { Registration } from '../records/registration.ts';
import type { Board } from './context.ts';

export class NodesBefore {
  private readonly coordinators = new Set<string>();
  private readonly hypervisors = new Set<string>();

  /** `isOff`: confirmed off; `isStopped`: its noded stopped cleanly, so it holds nothing of the role. */
  see({ name, role, vms }: Pick<Registration, 'name' | 'role' | 'vms'>, isOff: boolean, isStopped: boolean): void {
    if (isOff) return;
    if (role === 'coordinator' && !isStopped) this.coordinators.add(name);
    if (vms !== null) this.hypervisors.add(name);
  }

  /** Those that are registered, without those that are known to be off. */
  seeAll({ confirmedOff, lastSeen }: Pick<Board, 'confirmedOff' | 'lastSeen'>, all: Iterable<Registration>): this {
    for (const registration of all) {
      const seen = lastSeen.get(registration.name);
      const isOff = seen !== undefined && confirmedOff.get(registration.name) === seen.incarnation;
      this.see(registration, isOff, seen?.isStopped === true);
    }
    return this;
  }

  add({ coordinators, hypervisors }: NamesBefore): void {
    for (const name of coordinators) this.coordinators.add(name);
    for (const name of hypervisors) this.hypervisors.add(name);
  }

  /** It is off, or has stopped: it is not waited for any more; one that only stopped may run guests. */
  end(name: string, isOff: boolean): void {
    this.coordinators.delete(name);
    if (isOff) this.hypervisors.delete(name);
  }

  /** All of a kind that must be heard: those that the store lists, whatever their kind there, and those that were of it before. */
  awaited(kind: keyof NamesBefore, listed: readonly Pick<Registration, 'name' | 'role' | 'vms'>[]): Awaited {
    const isOfKind = ({ role, vms }: Pick<Registration, 'role' | 'vms'>) =>
      kind === 'coordinators' ? role === 'coordinator' : vms !== null;
    const names = new Set(listed.map(({ name }) => name));
    const before = this[kind];
    return {
      listed: listed.filter((node) => isOfKind(node) || before.has(node.name)).map(({ name }) => name),
      unlisted: [...before].filter((name) => !names.has(name)).sort(),
    };
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

interface Awaited {
  readonly listed: readonly string[];
  /** The store does not list them. */
  readonly unlisted: readonly string[];
}

/** Why a node that is not listed is waited for. */
export function unlistedInWords(name: string): string {
  return `${name} was in the cluster before that and has not registered again: start its noded`;
}
