/**
 * The guests of this machine. Promises (test/compliance/hypervisor.test.ts):
 *   HV1 every call ends within its deadline plus a second, with its whole process group gone (S7);
 *   HV2 a guest is called off only when the hypervisor itself says so; no answer is `ok: false`, never "off";
 *   HV3 start, switch-off and remove may be repeated: what is so already is success;
 *   HV4 names and XML never pass through a shell;
 *   HV5 `migrate` says `moved` only when the source has given the guest up; everything else leaves the question to `list`.
 */
import type { Guest } from '../core/vm.ts';

export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly because: string };

export interface MigrationProgress {
  readonly totalBytes: number | null;
  readonly leftBytes: number | null;
  /** Copied so far, repeats included. Null: it has not begun. */
  readonly copiedBytes: number | null;
}

export interface Hypervisor {
  /** All guests that it knows, by UUID. */
  list(): Promise<Answer<ReadonlyMap<string, Guest>>>;
  /** Whether it would take this definition; `ok: false` with its own words. Changes nothing that lasts. */
  check(uuid: string, xml: string): Promise<Answer<null>>;
  start(uuid: string, xml: string): Promise<Answer<null>>;
  /** Asks the guest to shut down; it may take its time, or not listen. */
  shutDown(uuid: string): Promise<Answer<null>>;
  switchOff(uuid: string): Promise<Answer<null>>;
  /** Takes up again what stands paused after a migration that did not come about. */
  resume(uuid: string): Promise<Answer<null>>;
  /** Forgets a guest that is off. */
  remove(uuid: string): Promise<Answer<null>>;
  /**
   * Moves the running guest to the hypervisor at `address`. Aborted: it is called off as far as that goes. `onProgress` hears
   * of each look at it, about every second, also while nothing is copied: but not while this side's hypervisor is silent.
   */
  migrate(
    uuid: string,
    address: string,
    onProgress: (progress: MigrationProgress) => void,
    signal: AbortSignal,
  ): Promise<Answer<null>>;
  /** Ends a migration that is still under way here, whoever began it. `none`: there was none. */
  abortMigration(uuid: string): Promise<Answer<'none' | 'aborted'>>;
  /** A guest at the hypervisor of another machine; null: it does not know it. */
  guestAt(address: string, uuid: string): Promise<Answer<Guest | null>>;
}
