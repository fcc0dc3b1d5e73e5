/**
 * Whether noded restarts the ZooKeeper server of its own machine, by the operator's command (`zookeeper.restartCommand`).
 *
 * ZR1 Only a server that hangs for `restartAfter` without a break: it does not refuse connections, and serves none. Every other
 *     coordinator that answers sees the same now. (A full backlog drops connections, so that one is accepted is not asked for.)
 * ZR2 Only while most of the configured servers serve without it, and this noded reaches the store.
 * ZR3 One server at a time: the next restart waits until the server that was restarted before serves.
 * ZR4 Once for each time that it hangs, and at most once an hour.
 */
import type { Decision } from './decision.ts';
import { decide, inWords } from './decision.ts';

export const serverHealths = {
  serves: 'it answers and is part of a quorum',
  hangs: 'it does not answer in time, or answers that it serves nobody',
  away: 'it refuses connections, or there is no route to it',
} as const;
export type ServerHealth = keyof typeof serverHealths;

export interface SeenServer {
  /** As configured: host:port. */
  readonly server: string;
  readonly health: ServerHealth;
}

/** After a restart the next one of the same server waits this long, whatever happens. */
export const restartPauseMs = 3_600_000;

export interface RestartFacts {
  /** The configured server that runs on this machine. */
  readonly own: string;
  readonly seen: readonly SeenServer[];
  /** For how long `own` hangs, by the own monotonic clock. */
  readonly hangsForMs: number;
  readonly afterMs: number;
  /** Whether this noded has a live session with the store. */
  readonly storeLive: boolean;
  /** Why operators want nothing done; null: there is no maintenance. */
  readonly maintenance: string | null;
  /** The restart that was begun last; null: none ever. */
  readonly last: { readonly server: string; readonly isOver: boolean } | null;
  /** Since the own server was restarted last, by this machine's wall clock; null: never. */
  readonly sinceOwnMs: number | null;
}

/** What this noded can tell alone. `ask`: the other coordinators are asked what they see. */
export function judgeOwnServer(facts: RestartFacts): Decision<'ask' | 'wait'> {
  const { own, seen, hangsForMs, afterMs, last, sinceOwnMs } = facts;
  const wait = (because: string) => decide('wait' as const, because);
  if (hangsForMs < afterMs) return wait(`${own} hangs for ${inWords(hangsForMs)}; restarted after ${inWords(afterMs)}`);
  if (!facts.storeLive) return wait('this noded has no session with ZooKeeper: nothing is restarted');
  const trouble = majorityWithout(own, seen);
  if (trouble !== null) return wait(trouble);
  if (facts.maintenance !== null) return wait(`maintenance: ${facts.maintenance}`);
  if (last?.isOver === false) {
    if (last.server === own) return wait(`${own} was restarted and still hangs: it is not restarted again by itself`);
    const other = seen.find(({ server }) => server === last.server)?.health;
    if (other !== undefined && other !== 'serves')
      return wait(`${last.server} was restarted and does not serve yet; ${own} waits for it`);
  }
  if (sinceOwnMs !== null && sinceOwnMs < restartPauseMs)
    return wait(`${own} was restarted less than ${inWords(restartPauseMs)} ago`);
  return decide('ask', `${own} hangs for ${inWords(hangsForMs)}`);
}

/** What another coordinator said; null: it did not answer. */
export interface Opinion {
  readonly node: string;
  readonly seen: readonly SeenServer[] | null;
}

/** ZR1, ZR2: each that answers has to see the same. Without any other coordinator the own look is enough; with some, one has to answer. */
export function judgeOpinions(own: string, opinions: readonly Opinion[]): Decision<'restart' | 'wait'> {
  const heard = opinions.flatMap(({ node, seen }) => (seen === null ? [] : [{ node, seen }]));
  if (opinions.length > 0 && heard.length === 0) return decide('wait', 'no other coordinator answers');
  for (const { node, seen } of heard) {
    const health = seen.find(({ server }) => server === own)?.health;
    if (health === undefined) return decide('wait', `${own} is not among the zookeeper.servers of ${node}`);
    if (health !== 'hangs') return decide('wait', `${node} does not agree that ${own} hangs: ${serverHealths[health]}`);
    const trouble = majorityWithout(own, seen);
    if (trouble !== null) return decide('wait', `${node}: ${trouble}`);
  }
  const names = heard.map(({ node }) => node).join(', ');
  return decide(
    'restart',
    heard.length === 0 ? 'there is no other coordinator' : `the other coordinators see the same (${names})`,
  );
}

/** ZR2; null: enough of the others serve. */
function majorityWithout(own: string, seen: readonly SeenServer[]): string | null {
  const serving = seen.filter(({ server, health }) => server !== own && health === 'serves').length;
  if (serving > seen.length / 2) return null;
  return `only ${serving} of ${seen.length} ZooKeeper servers serve without ${own}: nothing is restarted`;
}
