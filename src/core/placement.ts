/**
 * Which node a VM goes to: by what the nodes really report, in one plan that counts what it has already placed. Never its
 * source, never over memory, only nodes that work normally and are not being emptied, only those of its limit; ties go by
 * name. VMs of one anti-affinity group are never put on the same node. Pure.
 */
import type { VmState } from './vm.ts';
import { runningStates } from './vm.ts';

export const selectors = {
  mem: 'the node with the most memory that is not promised to any VM',
  vcpus: 'the node with the fewest promised vCPUs for each of its cores',
  load: 'the node with the lowest load for each of its cores',
  vms: 'the node with the fewest VMs',
} as const;
export type Selector = keyof typeof selectors;

export interface PlacementNode {
  readonly name: string;
  /** Why nothing is placed here; null: it takes VMs. */
  readonly hindrance: string | null;
  /** What the machine has, less what is kept back for itself; null: it does not say. */
  readonly memoryMiB: number | null;
  readonly cores: number | null;
  readonly load: number | null;
  /** Promised to VMs whose home it is, or that are on their way to it. */
  readonly promisedMiB: number;
  readonly promisedVcpus: number;
  readonly vms: number;
  /** The anti-affinity groups of those VMs, each with the name of a VM. */
  readonly groups: ReadonlyMap<string, string>;
}

/** What is known of a node that might take a VM. */
export interface CandidateFacts {
  readonly name: string;
  /** What it keeps back for itself; null: it runs no VMs. */
  readonly reservedMiB: number | null;
  readonly daemonState: string | null;
  readonly hasSession: boolean;
  readonly isBeingFenced: boolean;
  readonly maintenance: string | null;
  readonly isDraining: boolean;
  /** Why its libvirt is silent; null: it answers. */
  readonly libvirtTrouble: string | null;
  readonly totalMiB: number | null;
  readonly cores: number | null;
  readonly load: number | null;
}

/** What is promised to a VM on each node: on its home, and on the target of its move. */
export interface Claim {
  readonly name: string;
  readonly nodes: readonly string[];
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly antiAffinity: readonly string[];
}

export interface PlacementVm {
  readonly name: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly selector: Selector;
  /** Names of nodes that it may run on; empty: any. */
  readonly limit: readonly string[];
  /** Groups of VMs that are kept apart from each other. */
  readonly antiAffinity: readonly string[];
}

export type Placed =
  { readonly node: string; readonly because: string } | { readonly node: null; readonly because: string };

/** A VM claims its home while it runs or shall run, and the target of its move. */
export function claimOf(vm: {
  readonly name: string;
  readonly node: string;
  readonly active: boolean;
  readonly state: VmState;
  readonly move: { readonly target: string | null } | null;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly antiAffinity: readonly string[];
}): Claim {
  const { name, node, active, state, move, memoryMiB, vcpus, antiAffinity } = vm;
  const home = active || runningStates.includes(state) ? [node] : [];
  const nodes = move?.target == null ? home : [...home, move.target];
  return { name, nodes, memoryMiB, vcpus, antiAffinity };
}

/** The VM on this node, or on its way there, that this one is kept apart from, as a sentence; null: there is none. */
export function keptApart(
  vm: Pick<PlacementVm, 'name' | 'antiAffinity'>,
  node: string,
  claims: readonly Claim[],
): string | null {
  const there = claims.filter((claim) => claim.name !== vm.name && claim.nodes.includes(node));
  return apartFrom(vm.antiAffinity, groupsOf(there));
}

function groupsOf(claims: readonly Claim[]): Map<string, string> {
  return new Map(claims.flatMap(({ name, antiAffinity }) => antiAffinity.map((group) => [group, name] as const)));
}

function apartFrom(antiAffinity: readonly string[], groups: ReadonlyMap<string, string>): string | null {
  const group = antiAffinity.find((name) => groups.has(name));
  return group === undefined ? null : `${groups.get(group) ?? ''} is there (anti-affinity "${group}")`;
}

/** The nodes as the plan sees them. */
export function placementNodes(candidates: readonly CandidateFacts[], claims: readonly Claim[]): PlacementNode[] {
  return candidates.map((node) => {
    const own = claims.filter((claim) => claim.nodes.includes(node.name));
    return {
      name: node.name,
      hindrance: candidateHindrance(node),
      memoryMiB: node.totalMiB === null ? null : node.totalMiB - (node.reservedMiB ?? 0),
      cores: node.cores,
      load: node.load,
      promisedMiB: own.reduce((sum, claim) => sum + claim.memoryMiB, 0),
      promisedVcpus: own.reduce((sum, claim) => sum + claim.vcpus, 0),
      vms: own.length,
      groups: groupsOf(own),
    };
  });
}

function candidateHindrance(node: CandidateFacts): string | null {
  if (node.reservedMiB === null) return 'it runs no VMs (vms.enabled)';
  if (node.isBeingFenced) return 'it is being fenced';
  if (!node.hasSession || node.daemonState === null) return 'its noded is not there';
  if (node.daemonState !== 'run') return `its noded is in "${node.daemonState}"`;
  if (node.maintenance !== null) return `it is in maintenance: ${node.maintenance}`;
  if (node.isDraining) return 'it is being emptied (nodectl node ready ends that)';
  return node.libvirtTrouble === null ? null : `its libvirt does not answer: ${node.libvirtTrouble}`;
}

/** Why this VM cannot go to this node; null: it can. */
export function hindranceOf(vm: PlacementVm, node: PlacementNode, source: string | null): string | null {
  if (node.name === source) return 'it is there already';
  if (node.hindrance !== null) return node.hindrance;
  if (vm.limit.length > 0 && !vm.limit.includes(node.name)) return `its limit is ${vm.limit.join(', ')}`;
  const apart = apartFrom(vm.antiAffinity, node.groups);
  if (apart !== null) return apart;
  if (node.memoryMiB === null) return 'it does not say how much memory it has';
  const freeMiB = node.memoryMiB - node.promisedMiB;
  return freeMiB < vm.memoryMiB ? `${vm.memoryMiB} MiB do not fit into ${freeMiB} MiB` : null;
}

/** The best node for one VM, or why there is none, node by node. */
export function placeOne(vm: PlacementVm, nodes: readonly PlacementNode[], source: string | null): Placed {
  const fit = nodes.filter((node) => hindranceOf(vm, node, source) === null);
  const measured = fit.map((node) => ({ node, cost: costOf(vm.selector, node) }));
  measured.sort((a, b) => a.cost - b.cost || (a.node.name < b.node.name ? -1 : 1));
  const best = measured[0]?.node;
  if (best !== undefined) return { node: best.name, because: `${selectors[vm.selector]} (of ${fit.length})` };
  const why = nodes.map((node) => `${node.name}: ${hindranceOf(vm, node, source) ?? ''}`);
  return { node: null, because: why.length === 0 ? 'there are no nodes' : why.join('; ') };
}

/** Places several one after another, the largest first; each counts for those after it. */
export function placeAll(
  vms: readonly PlacementVm[],
  nodes: readonly PlacementNode[],
  source: string | null,
): Map<string, Placed> {
  const plan = new Map<string, Placed>();
  let now = nodes;
  const order = [...vms].sort((a, b) => b.memoryMiB - a.memoryMiB || (a.name < b.name ? -1 : 1));
  for (const vm of order) {
    const placed = placeOne(vm, now, source);
    plan.set(vm.name, placed);
    now = now.map((node) => (node.name === placed.node ? withVm(node, vm) : node));
  }
  return plan;
}

export function withVm(
  node: PlacementNode,
  vm: Pick<PlacementVm, 'name' | 'memoryMiB' | 'vcpus' | 'antiAffinity'>,
): PlacementNode {
  return {
    ...node,
    promisedMiB: node.promisedMiB + vm.memoryMiB,
    promisedVcpus: node.promisedVcpus + vm.vcpus,
    vms: node.vms + 1,
    groups: new Map([...node.groups, ...vm.antiAffinity.map((group) => [group, vm.name] as const)]),
  };
}

/** The lower, the better. A node that does not tell what is asked comes last. */
export function costOf(selector: Selector, node: PlacementNode): number {
  const cores = node.cores ?? 0;
  switch (selector) {
    case 'mem':
      return node.promisedMiB - (node.memoryMiB ?? -Infinity);
    case 'vcpus':
      return cores > 0 ? node.promisedVcpus / cores : Infinity;
    case 'load':
      return node.load !== null && cores > 0 ? node.load / cores : Infinity;
    case 'vms':
      return node.vms;
  }
}
