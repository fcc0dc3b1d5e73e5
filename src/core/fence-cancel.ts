/**
 * Whether an operator may cancel a fence (`nodectl fence cancel`). A cancelled fence lets its node take up its duties again, and
 * frees and recovers nothing: whatever dies then is declared dead and fenced again.
 *
 *   state                            | commands so far        | keepalives | cancel
 *   none, closed, cancelled          |                        |            | nothing is under way
 *   intent, no command in this attempt | none                 | any        | yes
 *   intent, no command in this attempt | in an earlier attempt| published  | yes: none was taken
 *   intent, no command in this attempt | in an earlier attempt| none       | no: it may be off
 *   intent, a command may be on its way|                      | any        | no: this attempt is carried to its end (F2)
 *   failed                           | none                   | any        | yes
 *   failed                           | in an earlier attempt  | published  | yes: none was taken
 *   failed                           | in an earlier attempt  | none       | no: it may be off
 *   fenced, restoring, finished      |                        |            | no: it is off, and recorded
 *
 * The write checks the version of the record that was judged: of a cancellation and the fencer's next step one is written, and a
 * fencer writes that a command is about to be sent before it sends it (S3, S4).
 */
import type { FenceState } from './fencing.ts';

export interface CancelFacts {
  readonly target: string;
  readonly state: FenceState;
  readonly fencer: string;
  /** Whether a power-off command may have been sent in the last attempt. */
  readonly touched: boolean;
  /** The level of that attempt. */
  readonly attempting: string | null;
  /** What was tried and failed in this round, and how many rounds are over. */
  readonly tried: readonly { readonly level: string; readonly by: string }[];
  readonly rounds: number;
  /** Whether a keepalive of the node came while it was watched for longer than a beat. */
  readonly publishes: boolean;
}

/** Why the fence cannot be cancelled; null: it can. */
export function cancelRefusal(facts: CancelFacts): string | null {
  const { target, state, fencer, touched } = facts;
  switch (state) {
    case 'none':
    case 'closed':
    case 'cancelled':
      return `no fence of ${target} is under way`;
    case 'fenced':
    case 'restoring':
    case 'finished':
      return `${target} is off, and that is recorded: there is nothing left to cancel`;
    case 'intent':
      if (touched)
        return `${fencer} may have sent a power-off command: the attempt is carried to its end. If it fails, cancel then`;
      return mayBeOff(facts);
    case 'failed':
      return mayBeOff(facts);
  }
}

/** The next step of an operator whose cancellation is refused. */
export function insteadOfCancel({ target, state }: Pick<CancelFacts, 'target' | 'state'>): string {
  if (state === 'intent' || state === 'failed')
    return `To stop further attempts: nodectl maintenance on --node ${target}`;
  return `What was done, and what comes next: nodectl explain ${target}`;
}

/** A command may have been taken. What was tried without a command says nothing, nor does a node that publishes. */
function mayBeOff(facts: CancelFacts): string | null {
  const { target, touched, rounds, publishes } = facts;
  const isCommanded = touched || rounds > 0 || earlier(facts).some(({ level }) => level !== 'watchdog');
  if (!isCommanded || publishes) return null;
  return `a device of ${target} may have taken a power-off command, and ${target} publishes no keepalives: it may be off. When it surely is: nodectl fence confirm ${target}`;
}

/** The attempts before the last one: of those it is not known any more whether a command was sent. */
function earlier({ state, tried, attempting, fencer }: CancelFacts): CancelFacts['tried'] {
  const last = tried.at(-1);
  const isLast = state === 'failed' && last?.level === attempting && last.by === fencer;
  return (isLast ? tried.slice(0, -1) : tried).filter(({ level }) => level !== 'manual');
}
