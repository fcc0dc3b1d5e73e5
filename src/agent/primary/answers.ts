/** What this noded answers to questions of its peers and of nodectl (records/api.ts). Reads only, but for `leave-election` and `vm-order`. */
import { judgeAddressee } from '../../core/answerer.ts';
import { judgeAgreement } from '../../core/failsafe.ts';
import { findLoop, loopAdvice } from '../../core/transitions.ts';
import type { ApiAnswer, ApiQuestion, LeaseAnswer, Life, StatusAnswer } from '../../records/api.ts';
import { livesMax } from '../../records/api.ts';
import { ClusterDesk } from '../cluster-desk.ts';
import type { Context } from '../context.ts';
import { keepaliveAgeMs } from '../context.ts';
import { gauges } from '../gauges.ts';
import { NodesBefore } from '../nodes-before.ts';
import type { Peers } from '../peers.ts';
import type { QuorumLoop } from '../quorum.ts';
import { tellsOfRestore } from '../recent-restore.ts';
import { lookAtServers } from '../server-restart.ts';
import { livesSeenLast } from '../store-restore.ts';
import { listVms, orderVm } from '../vms/desk.ts';
import type { Witness } from '../witnessed-store.ts';
import type { PrimaryLoop } from './primary.ts';

/** Longest wait inside one `hold`; the asker asks again. */
const holdMaxMs = 10_000;

/** Those who know the answers. */
interface Answering {
  readonly primary: PrimaryLoop | null;
  readonly quorum: QuorumLoop;
  /** The own keepalive that was acknowledged last. */
  readonly witness: () => Witness | null;
  /** Told which node has seen that the store was restored. */
  readonly onTold: (from: string, restores: number) => void;
}

export function answerer(
  context: Context,
  peers: Peers,
  { primary, quorum, witness, onTold }: Answering,
): (question: ApiQuestion) => Promise<ApiAnswer> {
  const desk = new ClusterDesk(context);
  return async (question) => {
    switch (question.kind) {
      case 'status':
        return status(context, primary);
      case 'debug':
        return debug(context, peers, primary);
      case 'leave-election':
        return { kind: 'leave-election', ...leaveElection(context, primary, question.to ?? context.self.name) };
      case 'agree':
        return agree(context, primary, question);
      case 'quorum':
        return reachesStore(context, peers, question, { witness: witness(), onTold });
      case 'servers':
        return seenServers(context, question);
      case 'quorum-view':
        return { kind: 'quorum-view', view: quorum.view() };
      case 'lease': {
        const answer = lease(context, primary, question.forMs);
        if (answer.primary) primary?.tenure.holds.promise(question.forMs);
        return { kind: 'lease', ...answer };
      }
      case 'hold':
        return { kind: 'hold', ...(await hold(context, primary, question)) };
      case 'cluster': {
        const leaseLeftMs = primary?.tenure.holdsRole() === true ? primary.tenure.leaseLeftMs() : null;
        return { kind: 'cluster', ...(await desk.picture()), leaseLeftMs };
      }
      case 'log':
        return { kind: 'log', node: context.self.name, lines: [...context.env.log.recent(question.most)] };
      case 'health':
        return health(context);
      case 'metrics':
        return { kind: 'metrics', samples: gauges(context, primary) };
      case 'vms':
        return { kind: 'vms', vms: await listVms(context) };
      case 'vm-order':
        return orderVm(context, question.name, question.order, question.by);
      case 'release':
        await primary?.tenure.holds.release(question.id);
        return { kind: 'release' };
      case 'once':
        await primary?.once.look();
        return { kind: 'once', done: primary?.once.says(question.name) ?? null };
    }
  };
}

function status(context: Context, primary: PrimaryLoop | null): StatusAnswer {
  const { self, board, env } = context;
  const base = {
    kind: 'status',
    node: self.name,
    incarnation: self.incarnation,
    epoch: primary?.known?.record.epoch ?? 0,
  } as const;
  const say = (
    code: StatusAnswer['status'],
    message: string,
    holder: string | null,
    leaseLeftMs: number | null = null,
  ): StatusAnswer => ({
    ...base,
    status: code,
    message,
    state: board.coordinatorState ?? 'none',
    primary: holder,
    leaseLeftMs,
  });
  if (primary === null) return say(503, 'it is a worker: it never is primary', null);
  const { tenure, known } = primary;
  const { role } = tenure;
  const record = known?.record ?? null;
  if (role.state === 'primary')
    return say(200, `primary with epoch ${role.epoch}`, self.name, Math.round(primary.tenure.leaseLeftMs()));
  if (role.state !== 'secondary')
    return say(202, `in "${role.state}" since ${role.ring.at(-1)?.because ?? '?'}`, record?.holder ?? null);
  if (env.store.session().state !== 'connected')
    return say(
      503,
      `it has no live session with the store${record?.holder == null ? '' : `; it last saw ${record.holder} as the holder`}`,
      null,
    );
  if (record === null) return say(503, 'it has not read the primary record yet', null);
  if (record.holder === null)
    return say(
      503,
      `nobody is primary: ${record.because}; this node: ${board.ineligible ?? board.roleBlocked ?? 'stands for it'}`,
      null,
    );
  return say(303, `${record.holder}${record.state === 'primary' ? '' : ` (in "${record.state}")`}`, record.holder);
}

/** A node that beats on time and has not stepped down is healthy; one that also takes part is ready. */
function health(context: Context): ApiAnswer {
  const { board, config } = context;
  const ageMs = keepaliveAgeMs(context);
  const silent = ageMs === null || ageMs > config.timing.contactMaxMs;
  const trouble = board.steppedDown ?? (silent ? 'its keepalive is not acknowledged any more' : null);
  const ready = trouble === null && board.daemonState === 'run';
  const because = trouble ?? (ready ? 'all is well' : `it is in "${board.daemonState}"`);
  return { kind: 'health', healthy: trouble === null, ready, because };
}

function debug(context: Context, peers: Peers, primary: PrimaryLoop | null): ApiAnswer {
  const { self, board, env } = context;
  const ring = primary?.tenure.role.ring ?? [];
  const loop = findLoop(ring);
  return {
    kind: 'debug',
    node: self.name,
    status: status(context, primary),
    record: primary?.known?.record ?? null,
    view: {
      daemonState: board.daemonState,
      incarnation: self.incarnation,
      session: { ...env.store.session() },
      ineligible: board.ineligible,
      roleBlocked: board.roleBlocked,
      steppedDown: board.steppedDown,
      maintenance: board.ownMaintenance,
      lateMs: board.lateMs,
      peers: Object.fromEntries(board.peers),
    },
    transitions: [...ring].reverse(),
    coordinators: peers
      .all()
      .filter((peer) => peer.role === 'coordinator')
      .map(({ name, apiAddress }) => ({ name, apiAddress })),
    loop: loop === null ? null : { ...loop, advice: loopAdvice(loop) },
  };
}

function leaveElection(context: Context, primary: PrimaryLoop | null, to: string): { left: boolean; because: string } {
  const addressee = judgeAddressee({ self: context.self.name, to, from: null });
  if (addressee.verdict === 'refuse') return { left: false, because: addressee.because };
  return primary?.leaveElection() ?? { left: false, because: 'a worker contends for nothing' };
}

function reachesStore(
  context: Context,
  peers: Peers,
  { to, from, nonce, knowsOfRestore, restores }: Extract<ApiQuestion, { kind: 'quorum' }>,
  { witness, onTold }: { readonly witness: Witness | null } & Pick<Answering, 'onTold'>,
): ApiAnswer {
  const { self, env, board } = context;
  const addressee = judgeAddressee({ self: self.name, to, from });
  if (addressee.verdict !== 'refuse' && knowsOfRestore === true && from !== null) onTold(from, restores ?? 0);
  return {
    kind: 'quorum',
    ...{ node: self.name, incarnation: self.incarnation, nonce },
    storeLive: env.store.session().state === 'connected',
    witness: witness?.version ?? null,
    witnessSequence: witness?.sequence ?? null,
    waitsAfterRestore: tellsOfRestore(context),
    restoreAgeMs: board.setBackAtMs === null ? null : env.clock.monotonicMs() - board.setBackAtMs,
    restores: board.restores,
    isRecalling: board.recalling.size > 0,
    lives: livesSeen(context).slice(0, livesMax),
    nodesBefore: nodesSeen(context, peers).names(),
    epochSeen: board.epochSeen.epoch,
    epochHolder: board.epochSeen.holder,
    refusal: addressee.verdict === 'refuse' ? addressee.because : null,
  };
}

/** Who may not have seen yet that the store was restored tells all that it knows. */
function nodesSeen({ board }: Context, peers: Peers): NodesBefore {
  return board.setBackAtMs === null ? new NodesBefore().seeAll(board, peers.all()) : board.nodesBefore;
}

/** What the store showed before it was restored, if this node knows of that; else what it showed last. */
function livesSeen({ board }: Context): Life[] {
  if (board.setBackAtMs !== null) return board.livesBefore.all();
  return livesSeenLast(board);
}

async function seenServers(
  { self, env, board }: Context,
  { to, from, nonce }: Extract<ApiQuestion, { kind: 'servers' }>,
): Promise<ApiAnswer> {
  const addressee = judgeAddressee({ self: self.name, to, from });
  const signed = { kind: 'servers', node: self.name, incarnation: self.incarnation, nonce } as const;
  if (addressee.verdict === 'refuse') return { ...signed, seen: [], refusal: addressee.because };
  return { ...signed, seen: await lookAtServers(env, board), refusal: null };
}

function agree(
  context: Context,
  primary: PrimaryLoop | null,
  { to, from, incarnation, epoch, nonce }: Extract<ApiQuestion, { kind: 'agree' }>,
): ApiAnswer {
  const { self, env, board } = context;
  const signed = { kind: 'agree', node: self.name, incarnation: self.incarnation, nonce } as const;
  const addressee = judgeAddressee({ self: self.name, to, from });
  if (addressee.verdict === 'refuse') return { ...signed, agrees: false, because: addressee.because };
  // Who asks holds that epoch: the store may be an old copy that does not know it, and this life may have seen nobody who does.
  primary?.learnEpoch({ epochSeen: epoch, epochHolder: { name: from, incarnation } });
  const judged = judgeAgreement({
    self: self.name,
    sessionLive: env.store.session().state === 'connected',
    known: primary?.known?.record ?? null,
    asking: { node: from, incarnation, epoch },
  });
  if (judged.verdict === 'agree') board.agreedAtMs = env.clock.monotonicMs();
  return { ...signed, agrees: judged.verdict === 'agree', because: judged.because };
}

/** True only if that much of the lease is left; anything in doubt is "not primary". */
function lease(context: Context, primary: PrimaryLoop | null, forMs: number): Omit<LeaseAnswer, never> {
  const { self, env } = context;
  const no = (because: string) => ({
    node: self.name,
    primary: false,
    epoch: primary?.tenure.role.epoch ?? 0,
    guaranteedUntilMs: 0,
    leaseLeftMs: 0,
    because,
  });
  if (primary === null) return no('this node is a worker');
  if (primary.tenure.role.state !== 'primary')
    return no(
      primary.tenure.role.state === 'secondary'
        ? `${primary.known?.record.holder ?? 'nobody'} is primary`
        : `this node is in "${primary.tenure.role.state}"`,
    );
  const left = primary.tenure.leaseLeftMs();
  if (left < forMs || left <= 0)
    return no(`only ${Math.max(0, Math.round(left))} ms of the lease are left, ${Math.round(forMs)} ms are asked for`);
  const guaranteedUntilMs = env.clock.monotonicMs() + left;
  return {
    node: self.name,
    primary: true,
    epoch: primary.tenure.role.epoch,
    guaranteedUntilMs,
    leaseLeftMs: left,
    because: `primary with epoch ${primary.tenure.role.epoch}`,
  };
}

async function hold(
  context: Context,
  primary: PrimaryLoop | null,
  question: Extract<ApiQuestion, { kind: 'hold' }>,
): Promise<LeaseAnswer> {
  const first = lease(context, primary, 0);
  if (primary === null || !first.primary) return first;
  if (question.epoch !== null && question.epoch !== first.epoch)
    return {
      ...first,
      primary: false,
      guaranteedUntilMs: 0,
      because: `the role has changed hands: epoch ${first.epoch}, not ${question.epoch}`,
    };
  const { holds } = primary.tenure;
  const no = (because: string) => ({ ...lease(context, primary, 0), primary: false, guaranteedUntilMs: 0, because });
  if (question.waitMs > 0) await holds.change(Math.min(question.waitMs, holdMaxMs));
  const now = lease(context, primary, 0);
  if (!now.primary || now.epoch !== first.epoch) return no(now.because);
  if (question.epoch !== null)
    return holds.renew(question.id, now.guaranteedUntilMs) ? now : no('its hold on the role has run out');
  const refused = await holds.admit(
    { id: question.id, cgroup: question.cgroup ?? null, once: question.once ?? null },
    now.guaranteedUntilMs,
  );
  if (refused !== null) return no(refused);
  // The disk may have been slow: the promise is made from what is certain now.
  const still = lease(context, primary, 0);
  if (still.primary && still.epoch === now.epoch && holds.renew(question.id, still.guaranteedUntilMs)) return still;
  await holds.release(question.id);
  return no('the role was lost while the command was admitted');
}
