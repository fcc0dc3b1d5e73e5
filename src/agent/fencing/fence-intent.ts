/** Why somebody looks at a fence, and the record of the intent that may come of it. */
import type { PeerMemory } from '../../core/detection.ts';
import type { Attempt } from '../../core/fencers.ts';
import type { Operation } from '../../environment/store.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { withSteps } from '../../records/fence.ts';
import type { ConfirmRequest, FenceRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import type { LastSign } from './life-sign.ts';

/** Why somebody looks at a fence. */
export type Trigger =
  | { readonly kind: 'verdict'; readonly memory: PeerMemory; readonly because: string; readonly wallMs: number }
  | { readonly kind: 'request'; readonly id: string; readonly version: number; readonly request: FenceRequest }
  | { readonly kind: 'word'; readonly id: string; readonly version: number; readonly request: ConfirmRequest }
  | { readonly kind: 'resume' }
  | {
      readonly kind: 'retry';
      readonly attempt: Attempt;
      readonly newRound: boolean;
      /** The operator who asked for it waits no more: from now on it is a fence like any other (`rounds` says so). */
      readonly isUnasked?: boolean;
      readonly because: string;
    };

/** Somebody with nodectl asks. */
export type Asking = Extract<Trigger, { kind: 'request' | 'word' }>;

export function isAsked(trigger: Trigger): trigger is Asking {
  return trigger.kind === 'request' || trigger.kind === 'word';
}

/**
 * What must still hold in the intent's own transaction: the keepalive has the version that was condemned (S3), or the
 * operator's request still stands (S6: who pressed Ctrl-C in the last moment has taken it back).
 */
export function stillHolds(target: string, trigger: Trigger, sign: LastSign): Operation[] {
  if (isAsked(trigger)) return [{ kind: 'check', path: `${tree.requests}/${trigger.id}`, version: trigger.version }];
  if (sign.version === null) return [];
  return [{ kind: 'check', path: tree.keepalive(target), version: sign.version }];
}

/** What becomes of the node in the end: as asked for, or as it has registered. */
export function actionOf(
  { config }: Context,
  peers: Peers,
  target: string,
  trigger: Trigger,
  before: FenceRecord,
): FenceRecord['action'] {
  if (before.state === 'failed' && trigger.kind === 'retry') return before.action;
  const asked = trigger.kind === 'request' ? trigger.request.action : null;
  return asked ?? peers.get(target)?.action ?? config.fencing.action;
}

/** What the intent changes in the record. */
export function intentOf(
  context: Context,
  peers: Peers,
  target: string,
  trigger: Trigger,
  before: FenceRecord,
  sign: LastSign,
  attempting: string | null,
): Partial<FenceRecord> {
  const { env, self } = context;
  const nowWallMs = env.clock.wallMs();
  const again = before.state === 'failed' && trigger.kind === 'retry';
  const common = {
    fencer: self.name,
    fencerIncarnation: self.incarnation,
    level: null,
    attempting,
    confirmedWallMs: null,
    recordedWallMs: null,
    rejoinedAs: null,
    touched: false,
  };
  if (again) {
    const rounds = trigger.newRound || trigger.isUnasked === true ? before.rounds + 1 : before.rounds;
    const step = { wallMs: nowWallMs, by: self.name, what: 'tried again', because: trigger.because };
    return {
      ...common,
      rounds,
      tried: trigger.newRound ? [] : before.tried,
      // Recorded as fenced, and read on again: the same fence is not counted twice.
      recentWallMs: before.recentWallMs.filter((at) => at !== before.recordedWallMs),
      steps: withSteps(before, [step]).steps,
    };
  }
  const request = isAsked(trigger) ? trigger.request : null;
  const reason =
    request !== null
      ? `${trigger.kind === 'word' ? 'confirmed as off' : 'asked for'} by ${request.by}${request.reason === '' ? '' : `: ${request.reason}`}`
      : trigger.kind === 'verdict'
        ? trigger.because
        : before.reason;
  return {
    ...common,
    id: env.random.id(),
    target,
    incarnation: sign.incarnation,
    sequence: sign.sequence,
    signAtOff: null,
    commanded: false,
    unanswered: [],
    refused: [],
    action: actionOf(context, peers, target, trigger, before),
    reason,
    askedBy: request?.by ?? null,
    requestId: isAsked(trigger) ? trigger.id : null,
    deviceIsRight: trigger.kind === 'request' && trigger.request.deviceIsRight ? trigger.request.reason : null,
    verdictWallMs: trigger.kind === 'verdict' ? trigger.wallMs : nowWallMs,
    tried: [],
    rounds: 0,
    steps: [
      {
        wallMs: nowWallMs,
        by: self.name,
        what: trigger.kind === 'word' ? 'confirmed by hand' : 'intent',
        because: reason.slice(0, 1000),
      },
    ],
  };
}
