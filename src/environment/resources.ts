/**
 * What the primary runs, and its hooks. Promises (test/compliance/resources.test.ts):
 *   RES1 every call ends within its own timeout plus a second, with its whole process group gone (S7);
 *   RES2 start and stop may be repeated: what runs already, or is stopped already, is success;
 *   RES3 success is claimed only by what the thing itself shows, `stopped` above all;
 *   RES4 an aborted call ends at once (plus a second); what it did may have happened in part;
 *   RES5 epoch, node, peer and reason are in the environment of every command;
 *   RES6 `stopped` says that nothing of it is left; dead with something left behind is `dead`; what cannot be told is `unknown`.
 */
import type { ResourceStatus } from '../core/resources.ts';

/** In whose name something is started or stopped. */
export interface TenureFacts {
  readonly node: string;
  /** The fencing token: a service may refuse whatever comes with an older one. */
  readonly epoch: number;
  /** Who held the role before (takeover), or shall hold it next (relinquish); null: not known. */
  readonly peer: string | null;
  readonly reason: string;
}

export interface ResourceOutcome {
  readonly ok: boolean;
  readonly because: string;
  readonly tookMs: number;
}

export interface Resource {
  readonly name: string;
  readonly kind: 'address' | 'unit' | 'command';
  start(facts: TenureFacts, signal: AbortSignal): Promise<ResourceOutcome>;
  stop(facts: TenureFacts): Promise<ResourceOutcome>;
  status(): Promise<{ readonly status: ResourceStatus; readonly because: string }>;
}

export type HookKind = 'takeover' | 'relinquish' | 'deposed';

export interface PrimaryResources {
  /** In the order in which they are started. */
  readonly list: readonly Resource[];
  /** Runs the hooks of this kind in order until one fails. */
  runHooks(kind: HookKind, facts: TenureFacts, signal: AbortSignal | null): Promise<ResourceOutcome>;
}
