/**
 * The guests of this machine. Promises (test/compliance/hypervisor.test.ts):
 *   HV1 every call ends within its deadline plus a second, with its whole process group gone (S7);
 *   HV2 a guest is called off only when the hypervisor itself says so; no answer is `ok: false`, never "off";
 *   HV3 start, switch-off and remove may be repeated: what is so already is success;
 *   HV4 no shell interprets names or XML, and no XML lies on a disk (it may hold passwords);
 *   HV5 `migrate` says `moved` only when the source has given the guest up; everything else leaves the question to `guestAt`;
 *   HV6 `list` is whole or `ok: false`: every request behind it has succeeded, and they tell of the same guests;
 *   HV7 what is claimed was looked at: `start` is ok only for a guest that runs, `switchOff` only for one that is off, `remove`
 *       only when a whole list does not name it; `guestAt` is null on the same proof.
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
  /** Whether a migration of it is under way here, to or from this machine, whoever began it. */
  isMigrating(uuid: string): Promise<Answer<boolean>>;
  /** A guest at the hypervisor of another machine (`address` null: of this one); null: it does not know it. */
  guestAt(address: string | null, uuid: string): Promise<Answer<Guest | null>>;
}
