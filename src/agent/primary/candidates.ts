/** Who could be primary right now: the coordinators' own word (keepalive), their session, and what we saw of them. */
import type { Candidate } from '../../core/contention.ts';
import { judgeEligibility } from '../../core/contention.ts';
import { Keepalive } from '../../records/keepalive.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { keepaliveAgeMs } from '../context.ts';
import type { Peers } from '../peers.ts';

export interface Surveyed extends Candidate {
  /** Why it cannot be primary; null: it can. */
  readonly hindrance: string | null;
  /** Its own newest keepalive; null: of this node, a worker, or not readable. */
  readonly keepalive?: Keepalive | null;
}

/** Every registered node, this one included. */
export async function survey(context: Context, peers: Peers): Promise<Surveyed[]> {
  await peers.refresh();
  return Promise.all(
    peers.all().map(async ({ name, priority, role, incarnation }) => {
      if (name === context.self.name)
        return { name, priority, incarnation: context.self.incarnation, hindrance: ownHindrance(context) };
      if (role !== 'coordinator')
        return { name, priority, incarnation, hindrance: 'it is a worker; only coordinators can be primary' };
      const seen = await hindranceOf(context, name);
      return { name, priority, ...seen, incarnation: seen.incarnation ?? incarnation };
    }),
  );
}

export function ownHindrance(context: Context): string | null {
  const { env, board, self, config } = context;
  const judged = judgeEligibility({
    role: self.role,
    daemonState: board.daemonState,
    sessionLive: env.store.session().state === 'connected',
    keepaliveAgeMs: keepaliveAgeMs(context),
    keepaliveMaxMs: config.timing.contactMaxMs,
    steppedDown: board.steppedDown !== null,
    maintenance: board.ownMaintenance ?? board.draining,
    barredMs: board.barredUntilMs - env.clock.monotonicMs(),
    barredBecause: board.barredBecause,
  });
  return judged.verdict === 'eligible' ? board.diskTrouble : judged.because;
}

async function hindranceOf(
  context: Context,
  name: string,
): Promise<{ readonly hindrance: string | null; readonly incarnation: string | null; readonly keepalive?: Keepalive }> {
  const { store } = context.env;
  const [read, session] = await Promise.all([store.read(tree.keepalive(name)), store.read(tree.session(name))]);
  if (!read.ok) return { hindrance: 'it has no keepalive', incarnation: null };
  const parsed = parseRecord(Keepalive, read.text);
  if (!parsed.ok) return { hindrance: `its keepalive cannot be read: ${parsed.because}`, incarnation: null };
  const { state, ineligible, incarnation } = parsed.record;
  const view = context.board.peers.get(name);
  const silent = view?.verdict === 'dead' || (view?.verdict === 'silent' && view.throws > 1);
  const hindrance =
    state !== 'run'
      ? `its noded is in "${state}"`
      : !session.ok
        ? 'its noded has no session with the store'
        : silent
          ? `it is ${view.verdict}: ${view.because}`
          : ineligible;
  return { hindrance, incarnation, keepalive: parsed.record };
}
