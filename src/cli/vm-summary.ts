/** All VMs in one line, and those that need a person. */
import type { Store } from '../environment/store.ts';
import { viewVm } from '../records/vm-view.ts';
import type { ClusterView } from './cluster-view.ts';
import type { StoredVm } from './vms.ts';
import { readGuests } from './vms.ts';

export interface VmSummary {
  readonly total: number;
  readonly running: number;
  readonly off: number;
  readonly moving: number;
  /** What does not run as it should, and of what nobody knows. */
  readonly trouble: readonly { readonly name: string; readonly because: string }[];
}

/** Null: there are no VMs. */
export async function summarizeVms(
  store: Store,
  view: ClusterView,
  stored: readonly StoredVm[],
): Promise<VmSummary | null> {
  if (stored.length === 0) return null;
  const guests = await readGuests(store, view.nodes);
  const vms = stored.map(({ record }) => viewVm(record, guests.get(record.node)));
  return {
    total: vms.length,
    running: vms.filter(({ health }) => health === 'ok').length,
    off: vms.filter(({ health }) => health === 'off').length,
    moving: vms.filter(({ move }) => move !== null).length,
    trouble: vms
      .filter(({ health }) => health === 'trouble' || health === 'unknown')
      .map(({ name, node, healthBecause, state, because }) => ({
        name,
        because: `${healthBecause} (${state} on ${node}: ${because})`,
      })),
  };
}

export function printSummary({ running, off, moving, trouble }: VmSummary): string {
  const parts = [`${running} run`, `${off} off`];
  if (moving > 0) parts.push(`${moving} of them move`);
  if (trouble.length > 0) parts.push(`${trouble.length} in trouble`);
  return `vms: ${parts.join(', ')}`;
}
