/**
 * The level `watchdog` (S1c): nothing is ordered; it is waited until the node's own watchdog has certainly ended whatever it
 * held. The bound is what that very life published when its watchdog was armed: so long after its last acknowledged keepalive
 * it holds nothing any more, or has been reset. A keepalive that this observer first saw at `a` was sent before `a`, so
 * from `a` on its own clock counts, lengthened by what two clocks may differ (S5). Idea: sbd, but with the bound told by the
 * node that keeps it. What an old copy of the store says of an older life proves nothing of a newer one on that machine.
 */
import { inWords } from '../../core/decision.ts';
import { clockRateError } from '../../core/lease.ts';
import type { Registration } from '../../records/registration.ts';
import type { Context } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import type { LevelOutcome } from './level-outcome.ts';
import type { LastSign } from './life-sign.ts';
import { signWhileLocked } from './life-sign.ts';

/** Null: the fence is not ours any more. */
export async function watchdogLevel(
  context: Context,
  target: string,
  registration: Registration | null,
  file: FenceFile,
): Promise<LevelOutcome | null> {
  const { env, board, duties, self } = context;
  const no = (because: string) => ({ off: false, because: `level watchdog: ${because}` }) as const;
  const { incarnation, sequence } = file.record;
  if (registration === null || registration.incarnation !== incarnation)
    return no('what is registered is of another life of the node');
  if (!board.livesBefore.isNewest(target, incarnation))
    return no(
      `ZooKeeper was restored from an old copy, and a newer life of ${target} may run, of whose watchdog nothing is known (${board.livesBefore.get(target) ?? 'no life of it'} was seen before)`,
    );
  if (registration.watchdogBoundMs === null) return no('this life of the node has published no armed watchdog');
  const before = await signWhileLocked(context, target, file);
  if (before === null) return null;
  const unasked = whyUnasked(before, target, self.name);
  if (unasked !== null) return no(unasked);
  const seen = board.lastSeen.get(target);
  const isSame = seen !== undefined && seen.incarnation === incarnation && seen.sequence === sequence;
  const sinceMs = isSame ? seen.atMs : env.clock.monotonicMs();
  const waitMs = Math.ceil(registration.watchdogBoundMs * (1 + 2 * clockRateError));
  // An agreement of ours (failsafe) is a proof for the primary as an acknowledged write is; one may be given while this waits.
  const certainAt = () => Math.max(sinceMs, board.agreedAtMs) + waitMs;
  file.note(
    'waiting for the watchdog',
    `the node's own bound is ${inWords(registration.watchdogBoundMs)} after its last keepalive; ${inWords(Math.max(0, certainAt() - env.clock.monotonicMs()))} of it are left`,
  );
  for (;;) {
    if (!file.lockStands() || duties.aborted || board.steppedDown !== null) return null;
    const contactMs = env.store.session().lastAckSentMs;
    // An own write sent after the bound and acknowledged: what is read now is at least as new as the bound.
    if (contactMs !== null && contactMs >= certainAt()) break;
    await env.clock.sleep(Math.max(50, Math.min(500, certainAt() - env.clock.monotonicMs())), duties);
  }
  const sign = await signWhileLocked(context, target, file);
  if (sign === null) return null;
  if (sign.incarnation !== incarnation || sign.sequence !== sequence)
    return no('the node has published a keepalive meanwhile');
  if (sign.state === 'stop') return no('the node has stopped in good order, and disarmed its watchdog');
  const unaskedNow = whyUnasked(sign, target, self.name);
  if (unaskedNow !== null) return no(unaskedNow);
  const because = `the bound of its armed watchdog has run out (${inWords(waitMs)} without a keepalive)`;
  file.note('the watchdog is certain', because);
  return { off: true, confirmedWallMs: env.clock.wallMs(), because, signVersion: sign.version };
}

/**
 * Why the node may feed its watchdog by an agreement (`primary.failsafe`) for which this coordinator is not asked; null: its last keepalive
 * names this one, or it never goes on without the store.
 */
function whyUnasked({ failsafeAsks }: LastSign, target: string, self: string): string | null {
  if (failsafeAsks === null || failsafeAsks?.includes(self) === true) return null;
  return failsafeAsks === undefined
    ? `${target} does not say whose agreement it asks for before it goes on without the store`
    : `${target} may go on by an agreement for which ${self} is not asked`;
}
