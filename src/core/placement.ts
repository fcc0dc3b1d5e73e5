/**
 * Which node a VM goes to: by what the nodes really report, in one plan that counts what it has already placed. Never its
 * source, never over memory, only nodes that work normally and are not being emptied, only those of its limit; ties go by
 * name. Pure.
 */
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
}

export interface PlacementVm {
  readonly name: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly selector: Selector;
  /** Names of nodes that it may run on; empty: any. */
  readonly limit: readonly string[];
}

export type Placed =
  | { readonly node: string; readonly because: string }
  | { readonly node: null; readonly because: string };

/** Why this VM cannot go to this node; null: it can. */
export function hindranceOf(vm: PlacementVm, node: PlacementNode, source: string | null): string | null {
  if (node.name === source) return 'it is there already';
  if (node.hindrance !== null) return node.hindrance;
  if (vm.limit.length > 0 && !vm.limit.includes(node.name)) return `its limit is ${vm.limit.join(', ')}`;
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

export function withVm(node: PlacementNode, vm: Pick<PlacementVm, 'memoryMiB' | 'vcpus'>): PlacementNode {
  return {
    ...node,
    promisedMiB: node.promisedMiB + vm.memoryMiB,
    promisedVcpus: node.promisedVcpus + vm.vcpus,
    vms: node.vms + 1,
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
