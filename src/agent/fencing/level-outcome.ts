/** How an attempt of one level ended (agent/fencing/power-level.ts, watchdog-level.ts). */
import type { LifeSign } from '../../core/levels.ts';

export type LevelOutcome =
  | {
      readonly off: true;
      readonly confirmedWallMs: number;
      readonly because: string;
      /** Version of the keepalive that was checked last; it must be the same when this is recorded. Null: there is none. */
      readonly signVersion: number | null;
    }
  | {
      readonly off: false;
      readonly because: string;
      /** As in the fence's record. */
      readonly signAtOff?: LifeSign | null;
      readonly unanswered?: readonly string[];
    }
  /** The node publishes keepalives again and no command was taken: its fence is cancelled. */
  | { readonly off: 'alive'; readonly because: string };
