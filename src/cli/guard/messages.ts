/** What nodectl and the guard of its command say to each other, over Node's channel between parent and child. */
/** The first word of nodectl's arguments that makes it a guard. */
export const guardWord = '--guard-of-a-command';

export type ToGuard =
  | {
      readonly kind: 'begin';
      /** Of the hold; the front may have to give it back itself. */
      readonly id: string;
      /** Where noded answers. */
      readonly socket: string;
      readonly leaseMs: number;
      readonly once: string | null;
    }
  /** The command itself has ended; what it left running is to end too. */
  | { readonly kind: 'exited' };

export type FromGuard =
  | { readonly kind: 'refused'; readonly code: number; readonly because: string }
  | { readonly kind: 'may-start'; readonly epoch: number; readonly node: string; readonly cgroup: string }
  /** Nothing of the command is left. */
  | { readonly kind: 'over'; readonly endedBecause: string | null; readonly leftRunning: number };
