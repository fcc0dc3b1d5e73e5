/**
 * Who observes whom. Up to three monitors (by rank) observe every node; the other coordinators observe the monitors,
 * so that a monitor's death is noticed too and the next one moves up. Workers observe nobody.
 *
 * Fence devices are verified by the observers of a node and by those that would become its observers, not by every coordinator:
 * a BMC holds about four sessions, whatever the number of coordinators.
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
  if (watching.includes(observer)) return others;
  // Who ranks above a monitor and is away is observed too: it stays known as away, and its return is seen.
  const ranked = byRank(nodes.filter((node) => node.role === 'coordinator')).map((node) => node.name);
  const seniors = ranked.slice(0, ranked.indexOf(watching.at(-1) ?? '') + 1);
  return others.filter((name) => seniors.includes(name));
}

/**
 * The names whose fence devices `verifier` verifies: those that it observes, those that it would observe if any one monitor were
 * away, and its own. So the first four present coordinators verify everybody, the others only what they observe.
 */
export function verifiedBy(verifier: string, nodes: readonly RankedNode[]): ReadonlySet<string> {
  const without = (name: string) => nodes.map((node) => (node.name === name ? { ...node, present: false } : node));
  const isOther = (name: string) => name !== verifier;
  const standIn = monitors(nodes)
    .filter(isOther)
    .flatMap((name) => observedBy(verifier, without(name)));
  return new Set([verifier, ...observedBy(verifier, nodes), ...standIn]);
}
