/**
 * Who observes whom. Up to three monitors (by rank) observe every node; the other coordinators observe the monitors,
 * so that a monitor's death is noticed too and the next one moves up. Workers observe nobody.
 */
import type { NodeRole } from './node.ts';

export interface RankedNode {
  readonly name: string;
  readonly role: NodeRole;
  /** Lower goes first. */
  readonly priority: number;
  /** False while the node is known to be away: stopped, dead or fenced. */
  readonly present: boolean;
}

export const monitorsMax = 3;

/** Coordinators in rank order: priority, then name by its characters' codes (never by locale). */
export function byRank<T extends { readonly name: string; readonly priority: number }>(nodes: readonly T[]): T[] {
  return [...nodes].sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The monitors of the moment: the first three present coordinators. */
export function monitors(nodes: readonly RankedNode[]): string[] {
  return byRank(nodes.filter((node) => node.role === 'coordinator' && node.present))
    .slice(0, monitorsMax)
    .map((node) => node.name);
}

/** The names that `observer` has to look at in this interval; never itself. */
export function observedBy(observer: string, nodes: readonly RankedNode[]): string[] {
  const self = nodes.find((node) => node.name === observer);
  if (self?.role !== 'coordinator') return [];
  const watching = monitors(nodes);
  const others = nodes.map((node) => node.name).filter((name) => name !== observer);
  return watching.includes(observer) ? others : others.filter((name) => watching.includes(name));
}
