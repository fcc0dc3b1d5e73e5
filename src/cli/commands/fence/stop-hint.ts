/** How an operator stops a fence now: `nodectl fence cancel` only where it would be accepted (core/fence-cancel.ts). */
import { cancelRefusal, insteadOfCancel } from '../../../core/fence-cancel.ts';
import type { Config } from '../../../config/load.ts';
import type { FenceRecord } from '../../../records/fence.ts';
import type { ClusterView } from '../../cluster-view.ts';

/** "To stop it: nodectl fence cancel node2", or what stops its further attempts. */
export function stopHint({ nodes }: Pick<ClusterView, 'nodes'>, config: Config, record: FenceRecord): string {
  const ageMs = nodes.find(({ name }) => name === record.target)?.keepaliveAgeMs ?? Infinity;
  const facts = { ...record, publishes: ageMs <= 2 * config.keepalive.interval };
  if (cancelRefusal(facts) === null) return `To stop it: nodectl fence cancel ${record.target}`;
  return insteadOfCancel(facts);
}
