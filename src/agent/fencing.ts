/**
 * The fencing loop: takes the dead from the monitor and the requests from operators, finds fences that somebody left
 * unfinished, and carries each out under its lock. Observe -> decide (core/guards, core/fencers) -> act (fence-attempt).
 *
 * F-order: verdict, lock, keepalive read again in the same session, guards, intent (one transaction that also checks the
 * keepalive's version, so that a stale replica cannot mislead: S3), shot, power read off, recorded, restored.
 */
import { inWords } from '../core/decision.ts';
import type { PeerMemory } from '../core/detection.ts';
import { retryTurn } from '../core/fencers.ts';
import type { FenceState } from '../core/fencing.ts';
import { isConfirmedOff } from '../core/fencing.ts';
import type { GuardFacts, Refusal } from '../core/guards.ts';
import { maxUnhealthyDefault, refusals } from '../core/guards.ts';
import type { Operation } from '../environment/store.ts';
import type { FenceRecord } from '../records/fence.ts';
import { Maintenance } from '../records/maintenance.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { OperatorRequest } from '../records/request.ts';
import type { FenceRequest } from '../records/request.ts';
import { tree } from '../records/tree.ts';
import type { Context } from './context.ts';
import { contactAgeMs } from './context.ts';
import { shoot } from './fence-attempt.ts';
import { FenceFile, readFence, readLedger } from './fence-file.ts';
import type { LastSign } from './life-sign.ts';
import { readSign } from './life-sign.ts';
import { acquire, release } from './lock.ts';
import type { HeldLock } from './lock.ts';
import type { Peers } from './peers.ts';

type Trigger =
  | { readonly kind: 'verdict'; readonly memory: PeerMemory; readonly because: string; readonly wallMs: number }
  | { readonly kind: 'request'; readonly id: string; readonly version: number; readonly request: FenceRequest }
  | { readonly kind: 'resume' }
  | { readonly kind: 'retry'; readonly newRound: boolean; readonly because: string };

export class FencingLoop {
  /** Set by the monitor at each look: who is silent right now (storm guard). */
  silentNodes: readonly string[] = [];
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly presentCoordinators: () => readonly { name: string; priority: number }[];
  private readonly active = new Map<string, Promise<void>>();
  /** What was last seen of each unfinished fence, and since when (own monotonic clock). */
  private readonly seen = new Map<
    string,
    { readonly mark: string; readonly sinceMs: number; readonly incarnation: string | null }
  >();
  private readonly confirmed = new Map<string, string | null>();
  private readonly toldRefusals = new Map<string, string>();
  private readonly toldRequests = new Set<string>();
  /** Requests that a fence record answers already: each is carried out once. */
  private readonly answeredRequests = new Set<string>();
  private readonly onHint = () => void this.tick();
  private ticking = false;

  constructor(
    context: Context,
    peers: Peers,
    presentCoordinators: () => readonly { name: string; priority: number }[],
  ) {
    this.context = context;
    this.peers = peers;
    this.presentCoordinators = presentCoordinators;
  }

  /** The monitor's verdict, repeated at each look for as long as it stands. Never waits. */
  condemn(name: string, memory: PeerMemory, because: string): void {
    if (this.isConfirmedOff(name, memory.incarnation)) return;
    // A fence of this very life that is under way or has failed is looked after by tick(), in its turn and with its pauses.
    if (this.seen.get(name)?.incarnation === memory.incarnation && this.seen.has(name)) return;
    this.begin(name, { kind: 'verdict', memory, because, wallMs: this.context.env.clock.wallMs() });
  }

  /** Whether this life of the node is recorded as off already: nothing more to do about its silence. */
  isConfirmedOff(name: string, incarnation: string | null): boolean {
    return this.confirmed.get(name) === incarnation && this.confirmed.has(name);
  }

  /** Looks for requests and for fences that somebody has to go on with. Called at each look, and when the store hints. */
  async tick(): Promise<void> {
    if (this.ticking || this.context.duties.aborted || this.context.board.steppedDown !== null) return;
    this.ticking = true;
    try {
      await this.takeRequests();
      const ledger = await readLedger(this.context, this.onHint);
      if (ledger === null) return;
      for (const name of [...this.seen.keys()]) if (!(name in ledger.ledger.entries)) this.seen.delete(name);
      for (const name of Object.keys(ledger.ledger.entries).sort()) await this.lookAfter(name);
    } finally {
      this.ticking = false;
    }
  }

  /** Waits until the fences that this node is carrying out have come to a safe point. */
  async settle(): Promise<void> {
    await Promise.all(this.active.values());
  }

  private begin(target: string, trigger: Trigger): void {
    if (this.active.has(target) || this.context.duties.aborted || this.context.board.steppedDown !== null) return;
    const work = this.underLock(target, trigger).finally(() => this.active.delete(target));
    this.active.set(target, work);
  }

  private async takeRequests(): Promise<void> {
    const { store } = this.context.env;
    const listed = await store.list(tree.requests, this.onHint);
    if (!listed.ok) return;
    for (const id of this.answeredRequests) if (!listed.names.includes(id)) this.answeredRequests.delete(id);
    for (const id of listed.names.filter((name) => !this.answeredRequests.has(name))) {
      const read = await store.read(`${tree.requests}/${id}`);
      if (!read.ok) continue;
      const parsed = parseRecord(OperatorRequest, read.text);
      if (
        !parsed.ok ||
        parsed.record.kind !== 'fence' ||
        parsed.record.refusal !== null ||
        this.active.has(parsed.record.node)
      )
        continue;
      if (parsed.record.node === this.context.self.name) continue; // never itself
      this.begin(parsed.record.node, { kind: 'request', id, version: read.version, request: parsed.record });
    }
  }

  /** One unfinished fence: resume it when nobody holds its lock, retry it when it is our turn, announce what never came up. */
  private async lookAfter(name: string): Promise<void> {
    const { env, board, config, self } = this.context;
    const file = await readFence(this.context, name);
    if (file === null) return;
    const { record } = file;
    this.remember(name, record);
    const mark = `${record.id} ${record.state} ${record.triedThisRound.join(',')} ${record.rounds}`;
    const nowMs = env.clock.monotonicMs();
    if (this.seen.get(name)?.mark !== mark)
      this.seen.set(name, { mark, sinceMs: nowMs, incarnation: record.incarnation });
    if (this.active.has(name) || name === self.name) return;
    const sinceMs = nowMs - (this.seen.get(name)?.sinceMs ?? nowMs);
    if (record.state === 'finished') {
      this.announceMissing(name, record, sinceMs);
      return;
    }
    if (record.state === 'failed') {
      if (record.requestId === null && board.peers.get(name)?.verdict === 'alive') {
        this.begin(name, { kind: 'retry', newRound: false, because: `${name} publishes keepalives again` });
        return;
      }
      const turn = retryTurn({
        self: self.name,
        candidates: this.presentCoordinators(),
        target: name,
        triedThisRound: record.triedThisRound,
        rounds: record.rounds,
        sinceSeenMs: sinceMs,
        backoffMs: config.fencing.retryBackoff,
        backoffMaxMs: config.fencing.retryBackoffMax,
        turnMs: 2 * config.keepalive.interval,
      });
      if (turn.mine) this.begin(name, { kind: 'retry', newRound: turn.newRound, because: turn.because });
      return;
    }
    const holders = await env.store.list(tree.fenceLocks(name));
    const abandoned = holders.ok ? holders.names.length === 0 : holders.code === 'no-node';
    if (abandoned) this.begin(name, { kind: 'resume' });
  }

  private announceMissing(name: string, record: FenceRecord, sinceMs: number): void {
    const { config, history } = this.context;
    if (
      record.action !== 'reboot' ||
      sinceMs < config.detection.startDeadline ||
      this.toldRefusals.get(`missing ${name}`) === record.id
    )
      return;
    this.toldRefusals.set(`missing ${name}`, record.id);
    const because = `${name} was fenced and powered on, and has not come back for ${inWords(sinceMs)}; it is not fenced again for that`;
    history.happened('never-came-up', because, { node: name, fenceId: record.id });
  }

  private remember(name: string, record: FenceRecord): void {
    if (isConfirmedOff(record.state)) this.confirmed.set(name, record.incarnation);
  }

  private async underLock(target: string, trigger: Trigger): Promise<void> {
    const { env, self } = this.context;
    const acquired = await acquire(env, tree.fenceLocks(target), self.name);
    if (!acquired.ok) {
      env.log.debug('fence lock not taken', { node: target, because: acquired.because });
      return;
    }
    try {
      const file = await FenceFile.open(this.context, acquired.lock, target);
      if (file !== null) await this.carryOut(target, trigger, file, acquired.lock);
    } finally {
      await release(env, acquired.lock);
    }
  }

  private async carryOut(target: string, trigger: Trigger, file: FenceFile, lock: HeldLock): Promise<void> {
    const { state, requestId } = file.record;
    this.remember(target, file.record);
    if (requestId !== null) this.answeredRequests.add(requestId);
    if (trigger.kind === 'request' && requestId === trigger.id) return;
    switch (state) {
      case 'intent':
      case 'fenced':
      case 'restoring':
        if (file.record.fencerIncarnation !== this.context.self.incarnation || trigger.kind === 'resume') {
          const because = `${this.context.self.name} goes on with the fence that ${file.record.fencer} left in "${state}"`;
          this.context.history.happened('fence-resumed', because, { node: target, fenceId: file.record.id });
          file.note('resumed', because);
        }
        return this.finish(target, file);
      case 'failed':
        if (trigger.kind === 'retry' || trigger.kind === 'request') await this.start(target, trigger, file, lock);
        else if (trigger.kind === 'verdict' && trigger.memory.incarnation !== file.record.incarnation)
          await this.start(target, trigger, file, lock);
        return;
      case 'none':
      case 'finished':
      case 'closed':
      case 'cancelled':
        if (
          trigger.kind === 'request' ||
          (trigger.kind === 'verdict' && !this.isConfirmedOff(target, trigger.memory.incarnation))
        ) {
          await this.start(target, trigger, file, lock);
        }
        return;
    }
  }

  /** From the verdict to the intent, with everything read anew. */
  private async start(target: string, trigger: Trigger, file: FenceFile, lock: HeldLock): Promise<void> {
    const sign = await readSign(this.context, target);
    if (sign === null) return;
    if (
      trigger.kind === 'verdict' &&
      (sign.incarnation !== trigger.memory.incarnation || sign.sequence !== trigger.memory.sequence)
    ) {
      const because = `${target} published a keepalive in the last moment: the verdict is withdrawn`;
      this.context.history.happened('verdict-withdrawn', because, { node: target });
      return;
    }
    const lives = sign.incarnation !== file.record.incarnation || sign.sequence !== file.record.sequence;
    // What an operator asked for is tried from every path once, also on a node that lives; then it is over.
    if (trigger.kind === 'retry' && lives && (file.record.requestId === null || trigger.newRound)) {
      return this.letGo(target, file);
    }
    const held = refusals(await this.guardFacts(target, sign, trigger.kind === 'request'));
    if (held.length > 0) return this.tellRefusals(target, trigger, held);
    this.toldRefusals.delete(target);

    const intended = await file.move(
      'verdict',
      this.intent(target, trigger, file.record, sign),
      sameSign(target, trigger, sign),
    );
    if (!intended.ok) {
      this.context.env.log.warn('fence not begun', { node: target, code: intended.code, because: intended.because });
      return;
    }
    const { record } = file;
    this.context.history.happened('fence-intent', `${this.context.self.name} fences ${target}: ${record.reason}`, {
      node: target,
      fenceId: record.id,
      evidence: { action: record.action, incarnation: record.incarnation, sequence: record.sequence, lock: lock.path },
    });
    await this.finish(target, file);
  }

  private async finish(target: string, file: FenceFile): Promise<void> {
    await shoot(this.context, this.peers, target, file);
    this.remember(target, file.record);
  }

  private async letGo(target: string, file: FenceFile): Promise<void> {
    const because = `${target} publishes keepalives again; nothing of it was recovered, and it is let go`;
    const fenceId = file.record.id;
    file.note('let go', because);
    const moved = await file.move('aliveAgain', {});
    if (moved.ok) this.context.history.happened('fence-cancelled', because, { node: target, fenceId });
  }

  private intent(target: string, trigger: Trigger, before: FenceRecord, sign: LastSign): Partial<FenceRecord> {
    const { env, self, config } = this.context;
    const nowWallMs = env.clock.wallMs();
    const again = before.state === 'failed' && trigger.kind === 'retry';
    const common = {
      fencer: self.name,
      fencerIncarnation: self.incarnation,
      level: null,
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
        triedThisRound: trigger.newRound ? [] : before.triedThisRound,
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
      triedThisRound: [],
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
      clusterMaintenance,
      targetMaintenance,
      nodesTotal,
      silentNodes: this.silentNodes,
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

/** In the intent's own transaction: the keepalive still has the version that was condemned (S3). */
function sameSign(target: string, trigger: Trigger, sign: LastSign): Operation[] {
  if (trigger.kind === 'request' || sign.version === null) return [];
  return [{ kind: 'check', path: tree.keepalive(target), version: sign.version }];
}

async function readMaintenance(context: Context, path: string): Promise<string | null> {
  const read = await context.env.store.read(path);
  if (!read.ok || read.text === '') return null;
  const parsed = parseRecord(Maintenance, read.text);
  if (!parsed.ok) return `its record cannot be read (${parsed.because})`; // doubt holds the shot
  if (!parsed.record.on) return null;
  return `${parsed.record.reason === '' ? 'no reason given' : parsed.record.reason} (by ${parsed.record.by})`;
}
