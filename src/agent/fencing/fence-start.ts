/**
 * From the verdict (or a request) to the recorded intent, under the fence's lock, with everything read anew: the keepalive
 * in the same session, the guards, and one transaction that checks lock, keepalive and record together (S3, S6).
 */
import type { PeerMemory } from '../../core/detection.ts';
import type { FenceState } from '../../core/fencing.ts';
import type { GuardFacts, Refusal } from '../../core/guards.ts';
import { maxUnhealthyDefault, refusals } from '../../core/guards.ts';
import type { Attempt, PlanFacts } from '../../core/fencers.ts';
import { hopelessLevels, ownAttempt } from '../../core/fencers.ts';
import type { Operation } from '../../environment/store.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { printRecord } from '../../records/record.ts';
import type { FenceRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import { readLedger } from './fence-file.ts';
import type { LastSign } from './life-sign.ts';
import { readSign } from './life-sign.ts';
import type { ReadMaintenance } from '../maintenance.ts';
import { readMaintenance } from '../maintenance.ts';
import type { HeldLock } from '../lock.ts';
import type { Peers } from '../peers.ts';
import { planFacts } from './proofs.ts';

/** Why somebody looks at a fence. */
export type Trigger =
  | { readonly kind: 'verdict'; readonly memory: PeerMemory; readonly because: string; readonly wallMs: number }
  | { readonly kind: 'request'; readonly id: string; readonly version: number; readonly request: FenceRequest }
  | { readonly kind: 'resume' }
  | {
      readonly kind: 'retry';
      readonly attempt: Attempt;
      readonly newRound: boolean;
      readonly because: string;
    };

type Candidate = PlanFacts['candidates'][number];

export class FenceStarter {
  private readonly context: Context;
  private readonly peers: Peers;
  /** Who is silent right now (storm guard). */
  private readonly silentNodes: () => readonly string[];
  /** Who could go on with a fence right now. */
  private readonly present: () => readonly Candidate[];
  private readonly toldRefusals = new Map<string, string>();
  private readonly toldRequests = new Set<string>();

  constructor(
    context: Context,
    peers: Peers,
    silentNodes: () => readonly string[],
    present: () => readonly Candidate[],
  ) {
    this.context = context;
    this.peers = peers;
    this.silentNodes = silentNodes;
    this.present = present;
  }

  /** True: the intent is written, and the fence has to be carried on. */
  async start(target: string, trigger: Trigger, file: FenceFile, lock: HeldLock): Promise<boolean> {
    const sign = await readSign(this.context, target);
    if (sign === null) return false;
    if (
      trigger.kind === 'verdict' &&
      (sign.incarnation !== trigger.memory.incarnation || sign.sequence !== trigger.memory.sequence)
    ) {
      const because = `${target} published a keepalive in the last moment: the verdict is withdrawn`;
      this.context.history.happened('verdict-withdrawn', because, { node: target });
      return false;
    }
    const lives = sign.incarnation !== file.record.incarnation || sign.sequence !== file.record.sequence;
    // What an operator asked for is tried from every path once, also on a node that lives; then it is over.
    if (trigger.kind === 'retry' && lives && (file.record.requestId === null || trigger.newRound)) {
      await this.letGo(target, file);
      return false;
    }
    const held = refusals(await this.guardFacts(target, sign, trigger.kind === 'request'));
    if (held.length > 0) {
      await this.tellRefusals(target, trigger, held);
      return false;
    }
    this.toldRefusals.delete(target);

    const plan = await planFacts(this.context, this.peers, target, this.present());
    const own =
      trigger.kind === 'retry'
        ? { attempt: trigger.attempt, next: trigger.attempt }
        : ownAttempt(plan, this.context.self.name);
    const intended = await file.move(
      'verdict',
      this.intent(target, trigger, file.record, sign, own.attempt?.level ?? own.next?.level ?? null),
      stillHolds(target, trigger, sign),
    );
    if (!intended.ok) {
      this.context.env.log.warn('fence not begun', { node: target, code: intended.code, because: intended.because });
      return false;
    }
    const { record } = file;
    this.context.history.happened('fence-intent', `${this.context.self.name} fences ${target}: ${record.reason}`, {
      node: target,
      fenceId: record.id,
      evidence: { action: record.action, incarnation: record.incarnation, sequence: record.sequence, lock: lock.path },
    });
    const hopeless = hopelessLevels(plan);
    if (hopeless.length > 0)
      file.note('passed over at first', `as far as is known nobody can fence ${target} by: ${hopeless.join(', ')}`);
    if (own.attempt !== null || own.next === null) return true;
    await this.passOn(target, file, own.next);
    return false;
  }

  /** What this node could try is proved to fail or comes later, and another one is there for whom that does not hold. */
  private async passOn(target: string, file: FenceFile, next: Attempt): Promise<void> {
    const { self, history } = this.context;
    const because = `${next.by} goes on by level ${next.level}: as far as is known ${self.name} cannot`;
    file.note('passed on', because);
    const moved = await file.move('passedOn', {}, [], true);
    if (moved.ok) history.happened('fence-step', `${target}: ${because}`, { node: target, fenceId: file.record.id });
  }

  private async letGo(target: string, file: FenceFile): Promise<void> {
    const because = `${target} publishes keepalives again; nothing of it was recovered, and it is let go`;
    const fenceId = file.record.id;
    file.note('let go', because);
    const moved = await file.move('aliveAgain', {});
    if (moved.ok) this.context.history.happened('fence-cancelled', because, { node: target, fenceId });
  }

  private intent(
    target: string,
    trigger: Trigger,
    before: FenceRecord,
    sign: LastSign,
    attempting: string | null,
  ): Partial<FenceRecord> {
    const { env, self, config } = this.context;
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
    };
    if (again) {
      const rounds = trigger.newRound ? before.rounds + 1 : before.rounds;
      const step = { wallMs: nowWallMs, by: self.name, what: 'tried again', because: trigger.because };
      return {
        ...common,
        rounds,
        tried: trigger.newRound ? [] : before.tried,
        steps: [...before.steps, step].slice(-60),
      };
    }
    const request = trigger.kind === 'request' ? trigger.request : null;
    const reason =
      request !== null
        ? `asked for by ${request.by}${request.reason === '' ? '' : `: ${request.reason}`}`
        : trigger.kind === 'verdict'
          ? trigger.because
          : before.reason;
    return {
      ...common,
      id: env.random.id(),
      target,
      incarnation: sign.incarnation,
      sequence: sign.sequence,
      action: request?.action ?? this.peers.get(target)?.action ?? config.fencing.action,
      reason,
      askedBy: request?.by ?? null,
      requestId: trigger.kind === 'request' ? trigger.id : null,
      verdictWallMs: trigger.kind === 'verdict' ? trigger.wallMs : nowWallMs,
      tried: [],
      rounds: 0,
      steps: [{ wallMs: nowWallMs, by: self.name, what: 'intent', because: reason.slice(0, 1000) }],
      recentWallMs: [...before.recentWallMs.filter((at) => Math.abs(nowWallMs - at) < 3_600_000), nowWallMs].slice(-50),
    };
  }

  private async guardFacts(target: string, sign: LastSign, askedByOperator: boolean): Promise<GuardFacts> {
    const { env, board, config, self } = this.context;
    const [clusterMaintenance, targetMaintenance, ledger] = await Promise.all([
      readMaintenance(this.context, tree.maintenance),
      readMaintenance(this.context, tree.nodeMaintenance(target)),
      readLedger(this.context),
    ]);
    const nodesTotal = this.peers.all().length;
    const inFlight = Object.entries(ledger?.ledger.entries ?? {}).filter(
      ([, state]) => state === ('intent' satisfies FenceState),
    );
    return {
      self: self.name,
      target,
      fencingEnabled: config.fencing.enabled,
      sessionLive: env.store.session().state === 'connected' && ledger !== null,
      contactAgeMs: contactAgeMs(this.context),
      contactMaxMs: config.timing.contactMaxMs,
      lateMs: board.lateMs,
      intervalMs: config.keepalive.interval,
      quietLeftMs: board.quietUntilMs - env.clock.monotonicMs(),
      steppedDown: board.steppedDown !== null,
      targetState: sign.state,
      clusterMaintenance: reasonOf(clusterMaintenance),
      targetMaintenance: reasonOf(targetMaintenance),
      nodesTotal,
      silentNodes: this.silentNodes(),
      maxUnhealthy: config.fencing.maxUnhealthy ?? maxUnhealthyDefault(nodesTotal),
      fencesInFlight: inFlight.map(([name]) => name),
      maxConcurrentFences: config.fencing.maxConcurrentFences,
      askedByOperator,
    };
  }

  /** A guard that holds is told once for as long as it holds for the same reason (S11). */
  private async tellRefusals(target: string, trigger: Trigger, held: readonly Refusal[]): Promise<void> {
    const mark = held.map((refusal) => refusal.guard).join(' ');
    const because = held.map((refusal) => `${refusal.guard}: ${refusal.because}`).join('; ');
    if (trigger.kind === 'request') {
      const passing = held.every((refusal) => refusal.guard === 'concurrency' || refusal.guard === 'contact');
      if (passing) return; // it is carried out as soon as its turn comes
      const first = held[0];
      if (first === undefined || this.toldRequests.has(trigger.id)) return;
      this.toldRequests.add(trigger.id);
      const refusal = { by: this.context.self.name, guard: first.guard, because: first.because };
      await this.context.env.store.write(
        `${tree.requests}/${trigger.id}`,
        printRecord({ ...trigger.request, refusal }),
        trigger.version,
      );
      this.context.history.happened('request-refused', `fence of ${target} refused: ${because}`, { node: target });
      return;
    }
    if (this.toldRefusals.get(target) === mark) return;
    this.toldRefusals.set(target, mark);
    this.context.history.happened('guard-held', `${target} is not fenced: ${because}`, {
      node: target,
      evidence: { guards: mark },
    });
  }
}

/**
 * What must still hold in the intent's own transaction: the keepalive has the version that was condemned (S3), or the
 * operator's request still stands (S6: who pressed Ctrl-C in the last moment has taken it back).
 */
function stillHolds(target: string, trigger: Trigger, sign: LastSign): Operation[] {
  if (trigger.kind === 'request')
    return [{ kind: 'check', path: `${tree.requests}/${trigger.id}`, version: trigger.version }];
  if (sign.version === null) return [];
  return [{ kind: 'check', path: tree.keepalive(target), version: sign.version }];
}

/** A pause that could not be read holds the shot: doubt never shoots. */
function reasonOf(maintenance: ReadMaintenance | null): string | null {
  return maintenance === null ? 'whether it is could not be read' : maintenance.reason;
}
