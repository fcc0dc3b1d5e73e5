/**
 * From the verdict (or a request) to the recorded intent, under the fence's lock, with everything read anew: the keepalive
 * in the same session, the guards, and one transaction that checks lock, keepalive and record together (S3, S6).
 */
import type { FenceState } from '../../core/fencing.ts';
import type { GuardFacts, Refusal } from '../../core/guards.ts';
import { maxUnhealthyDefault, refusals, withoutMaintenance } from '../../core/guards.ts';
import type { Attempt, PlanFacts } from '../../core/fencers.ts';
import { inWords } from '../../core/decision.ts';
import { barredLevels, lateLevels, ownAttempt } from '../../core/fencers.ts';
import type { FenceLedger, FenceRecord } from '../../records/fence.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { FenceFile } from './fence-file.ts';
import type { FenceRequests } from './fence-requests.ts';
import { readLedger } from './fence-file.ts';
import type { LastSign } from './life-sign.ts';
import { beatsWatched, isSameSign, readSign, stoppedAndOrderedOff } from './life-sign.ts';
import type { ReadMaintenance } from '../maintenance.ts';
import { inDeclaredMaintenance, readMaintenance } from '../maintenance.ts';
import type { HeldLock } from '../lock.ts';
import type { Peers } from '../peers.ts';
import type { Trigger } from './fence-intent.ts';
import { actionOf, intentOf, stillHolds } from './fence-intent.ts';
import { readPrimary } from '../primary/primary-file.ts';
import { openDevices } from './devices.ts';
import { askForeignAgain } from './foreign.ts';
import { planFacts } from './proofs.ts';
import type { Refusals } from './refusals.ts';

type Candidate = PlanFacts['candidates'][number];

export class FenceStarter {
  private readonly context: Context;
  private readonly peers: Peers;
  /** Who is silent right now (storm guard). */
  private readonly silentNodes: () => Promise<readonly string[]>;
  /** Who could go on with a fence right now. */
  private readonly present: () => readonly Candidate[];
  private readonly refusals: Refusals;
  private readonly requests: FenceRequests;

  constructor(
    context: Context,
    peers: Peers,
    refusals: Refusals,
    requests: FenceRequests,
    silentNodes: () => Promise<readonly string[]>,
    present: () => readonly Candidate[],
  ) {
    this.context = context;
    this.peers = peers;
    this.refusals = refusals;
    this.requests = requests;
    this.silentNodes = silentNodes;
    this.present = present;
  }

  /** True: the intent is written, and the fence has to be carried on. */
  async start(target: string, asked: Trigger, file: FenceFile, lock: HeldLock): Promise<boolean> {
    let trigger = asked;
    if (trigger.kind === 'verdict') await this.delay(target);
    const sign = await readSign(this.context, target);
    if (sign === null || !(await this.peers.asOf(target, sign.incarnation)) || this.context.duties.aborted)
      return false;
    if (
      trigger.kind === 'verdict' &&
      (sign.incarnation !== trigger.memory.incarnation || sign.sequence !== trigger.memory.sequence)
    ) {
      const because = `${target} published a keepalive in the last moment: the verdict is withdrawn`;
      this.context.history.happened('verdict-withdrawn', because, { node: target });
      return false;
    }
    const isOperators = await this.isOperators(trigger, file.record);
    if (isOperators === null) return false;
    if (trigger.kind === 'retry') {
      if (!(await this.goesOn(target, sign, file, isOperators))) return false;
      trigger = { ...trigger, isUnasked: !isOperators && file.record.requestId !== null && file.record.rounds === 0 };
    }
    const isOurs = trigger.kind === 'retry' && stoppedAndOrderedOff(file.record, sign);
    const found = await this.heldBy(target, sign, isOperators);
    const held = found.filter(({ guard }) => !(isOurs && guard === 'stopped'));
    if (held.length > 0) {
      await this.refusals.tell(target, trigger, held);
      return false;
    }
    await askForeignAgain(this.context, target, this.peers.get(target));
    const plan = await planFacts(this.context, this.peers, target, this.present(), {
      deviceIsRight: isDeviceRight(trigger, file.record),
      action: actionOf(this.context, this.peers, target, trigger, file.record),
    });
    const own =
      trigger.kind === 'retry'
        ? { attempt: trigger.attempt, next: trigger.attempt }
        : ownAttempt(plan, this.context.self.name);
    const intended = await file.move(
      'verdict',
      intentOf(
        this.context,
        this.peers,
        target,
        trigger,
        file.record,
        sign,
        own.attempt?.level ?? own.next?.level ?? null,
      ),
      stillHolds(target, trigger, sign),
      false,
      (ledger) => this.ledgerForbids(target, ledger),
    );
    if (!intended.ok) {
      this.refusals.notWritten(target, intended.code, intended.because);
      return false;
    }
    this.refusals.pass(target);
    const { record } = file;
    this.context.history.happened('fence-intent', `${this.context.self.name} fences ${target}: ${record.reason}`, {
      node: target,
      fenceId: record.id,
      evidence: { action: record.action, incarnation: record.incarnation, sequence: record.sequence, lock: lock.path },
    });
    for (const { level, because, isAllThereIs } of lateLevels(plan))
      file.note(isAllThereIs ? 'tried all the same' : 'tried last', `level ${level}: ${because}`);
    for (const { level, because } of barredLevels(plan)) file.note('level not used', `level ${level}: ${because}`);
    if (own.attempt !== null || own.next === null) return true;
    await this.passOn(target, file, own.next);
    return false;
  }

  /**
   * The guards that hold a fence of `target` back now. `fencer`: who began it and left it; that it is silent too says nothing of a
   * fault elsewhere, or a fence whose fencer died could never go on.
   */
  async heldBy(
    target: string,
    sign: LastSign,
    askedByOperator: boolean,
    fencer: string | null = null,
  ): Promise<Refusal[]> {
    const facts = await this.guardFacts(target, sign, askedByOperator);
    return refusals({ ...facts, silentNodes: facts.silentNodes.filter((name) => name !== fencer) });
  }

  /**
   * What an operator asked for is tried from every path once, also on a node that lives or that a guard holds, for as long as the operator
   * waits for it: a device that is repaired later must not switch off a node that lives. Null: whether they wait is not known yet.
   */
  private async isOperators(trigger: Trigger, { requestId }: FenceRecord): Promise<boolean | null> {
    if (trigger.kind === 'request') return true;
    if (trigger.kind !== 'retry' || requestId === null || trigger.newRound) return false;
    return this.requests.stands(requestId);
  }

  /** The quiet period, which no operator overrules for a fence that somebody left: its record may be of an old copy of the store. */
  quiet(): Refusal[] {
    const { board, env } = this.context;
    const leftMs = board.quietUntilMs - env.clock.monotonicMs();
    if (leftMs <= 0) return [];
    return [
      {
        guard: 'quiet',
        because: `a fence that was left goes on when the store has been there for ${inWords(leftMs)} more`,
      },
    ];
  }

  /** False: the retry waits, because the keepalive cannot be read, or its fence is cancelled, because keepalives resumed. */
  private async goesOn(target: string, sign: LastSign, file: FenceFile, isOperators: boolean): Promise<boolean> {
    // What cannot be read is no sign of life, and none of death: neither cancelled nor tried again.
    if (sign.version !== null && sign.incarnation === null) return false;
    const { record } = file;
    if (isOperators) return true;
    // An operator had it fenced alive: that no keepalive has come since then says something only after a beat and a half.
    const now = record.requestId !== null && isSameSign(record, sign) ? await this.watched(target, sign) : sign;
    if (now === null) return false;
    // It said `stop` after a command of this fence: its silence gives no new verdict, so the fence stays open for all to see.
    const hasEnded = now.state === 'stop' && record.commanded;
    if (isSameSign(record, now) || hasEnded) return true;
    await this.cancel(target, file);
    return false;
  }

  private async watched(target: string, { intervalMs }: LastSign): Promise<LastSign | null> {
    const { env, duties } = this.context;
    await env.clock.sleep(Math.round(intervalMs * beatsWatched), duties);
    return duties.aborted ? null : readSign(this.context, target);
  }

  /** What this node could try is proved to fail or comes later, and another one is there for whom that does not hold. */
  private async passOn(target: string, file: FenceFile, next: Attempt): Promise<void> {
    const { self, history } = this.context;
    const because = `${next.by} goes on by level ${next.level}: as far as is known ${self.name} cannot`;
    file.note('passed on', because);
    const moved = await file.move('passedOn', {}, [], true);
    if (moved.ok) history.happened('fence-step', `${target}: ${because}`, { node: target, fenceId: file.record.id });
  }

  /**
   * Of two nodes that would shoot each other the one wins whose fence waits (rule 12 of the field: by role or by device, never
   * by chance). Once, before everything is read anew; a retry waits no more.
   */
  private async delay(target: string): Promise<void> {
    const { env, config, duties } = this.context;
    const opened = openDevices(env.secrets, this.peers.get(target), target);
    const own = Math.max(0, ...(opened.ok ? opened.value.map((device) => device.delayMs) : []));
    const held = config.fencing.primaryDelay === 0 ? null : await readPrimary(this.context);
    const isPrimary = held?.readable === true && held.record.holder === target;
    const delayMs = own + (isPrimary ? config.fencing.primaryDelay : 0);
    if (delayMs === 0) return;
    env.log.info('fence delayed', {
      node: target,
      because: `its fence waits ${inWords(delayMs)}, as configured`,
      delayMs,
    });
    await env.clock.sleep(delayMs, duties);
  }

  /** The limit of fences at once, and whether this node is itself condemned: exact, for the ledger is written with the intent. */
  private ledgerForbids(target: string, { entries }: FenceLedger): string | null {
    const { self, config } = this.context;
    if (entries[self.name] === 'intent') return `a fence of ${self.name} itself is under way`;
    const others = Object.entries(entries).filter(([name, state]) => name !== target && state === 'intent');
    if (others.length < config.fencing.maxConcurrentFences) return null;
    return `${others.map(([name]) => name).join(', ')} is being fenced since a moment ago; at most ${config.fencing.maxConcurrentFences} at once`;
  }

  private async cancel(target: string, file: FenceFile): Promise<void> {
    const because = `keepalives of ${target} resumed: fence cancelled, nothing was recovered`;
    const fenceId = file.record.id;
    file.note('cancelled', because);
    const moved = await file.move('aliveAgain', {});
    if (moved.ok) this.context.history.happened('fence-cancelled', because, { node: target, fenceId });
  }

  private async guardFacts(target: string, sign: LastSign, askedByOperator: boolean): Promise<GuardFacts> {
    const { env, board, config, self } = this.context;
    const [clusterMaintenance, targetMaintenance, ledger, silentNodes] = await Promise.all([
      readMaintenance(this.context, tree.maintenance),
      readMaintenance(this.context, tree.nodeMaintenance(target)),
      readLedger(this.context),
      this.silentNodes(),
    ]);
    const nodesTotal = this.peers.all().length;
    const maxUnhealthy = config.fencing.maxUnhealthy ?? maxUnhealthyDefault(nodesTotal);
    const silent = [...new Set(silentNodes)];
    // Asked only where it changes what the guard says.
    const declared =
      silent.length < maxUnhealthy ? new Set<string>() : await inDeclaredMaintenance(this.context, silent);
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
      silentNodes: withoutMaintenance(silent, declared),
      maxUnhealthy,
      fencesInFlight: inFlight.map(([name]) => name),
      maxConcurrentFences: config.fencing.maxConcurrentFences,
      askedByOperator,
    };
  }
}

/** An operator has vouched for the node's devices: in this request, or in the one that this fence carries out. */
function isDeviceRight(trigger: Trigger, { deviceIsRight }: FenceRecord): boolean {
  if (trigger.kind === 'request') return trigger.request.deviceIsRight;
  return trigger.kind === 'retry' && deviceIsRight !== null;
}

/** A pause that could not be read holds the shot: doubt never shoots. */
function reasonOf(maintenance: ReadMaintenance | null): string | null {
  return maintenance === null ? 'whether it is could not be read' : maintenance.reason;
}
