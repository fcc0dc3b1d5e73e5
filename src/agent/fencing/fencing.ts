/**
 * The fencing loop: takes the dead from the monitor and the requests from operators, finds fences that somebody left
 * unfinished, and carries each out under its lock. Observe -> decide (core/guards, core/fencers) -> act (fence-attempt).
 *
 * F-order: verdict, lock, keepalive read again in the same session, guards, intent (one transaction that also checks the
 * keepalive's version, so that a stale replica cannot mislead: S3), shot, power read off, recorded, restored.
 */
import { inWords } from '../../core/decision.ts';
import type { PeerMemory } from '../../core/detection.ts';
import { fencersTurn } from '../../core/fencers.ts';
import { isConfirmedOff, isUnderWay } from '../../core/fencing.ts';
import type { FenceRecord } from '../../records/fence.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import { recordWord, shoot } from './fence-attempt.ts';
import { FenceFile, readFence, readLedger } from './fence-file.ts';
import { FenceRequests } from './fence-requests.ts';
import { FenceStarter } from './fence-start.ts';
import { stillHolds } from './fence-intent.ts';
import type { Trigger } from './fence-intent.ts';
import { takesWord } from './fence-word.ts';
import { amendLateOrder } from './late-order.ts';
import { FencesWatch } from './recent-fences.ts';
import { Refusals } from './refusals.ts';
import { Resumer } from './resume.ts';
import { silentToOthers } from './seen-by-others.ts';
import { acquire, isAtWork, release } from '../lock.ts';
import type { HeldLock } from '../lock.ts';
import type { Peers } from '../peers.ts';
import { planFacts } from './proofs.ts';

/** Open fences that are looked after at the same time: several reads each. */
const lookedAfterAtOnce = 10;

export class FencingLoop {
  /** Set by the monitor at each look: who is silent right now (storm guard). */
  silentNodes: readonly string[] = [];
  /** Set by the monitor: it has counted every node for a whole detection time; else what other monitors count is asked for. */
  countsEverybody = false;
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
  /** Nodes whose record of that is of the copy from which the store was restored. */
  private readonly confirmedInCopy = new Set<string>();
  private readonly refusals: Refusals;
  private readonly starter: FenceStarter;
  private readonly resumer: Resumer;
  /** When (own monotonic clock) this node began last to go on with a fence, and how that stood then. */
  private readonly begun = new Map<string, { readonly mark: string; readonly ms: number }>();
  private readonly toldMissing = new Map<string, string>();
  private readonly requests: FenceRequests;
  private readonly onHint = () => void this.tick();
  /** Orders of lost fences that are being made good. */
  private readonly amends = new Set<Promise<void>>();
  private readonly watch = new FencesWatch();
  private ticking = false;

  constructor(
    context: Context,
    peers: Peers,
    presentCoordinators: () => readonly { name: string; priority: number }[],
  ) {
    this.context = context;
    this.peers = peers;
    this.presentCoordinators = presentCoordinators;
    context.board.confirmedOff = this.confirmed;
    this.refusals = new Refusals(context);
    this.requests = new FenceRequests(context, this.refusals, (node, fenceId) => {
      const seen = this.seen.get(node);
      return seen?.mark.startsWith(`${fenceId} finished `) === true
        ? context.env.clock.monotonicMs() - seen.sinceMs
        : 0;
    });
    this.starter = new FenceStarter(
      context,
      peers,
      this.refusals,
      this.requests,
      async () =>
        this.countsEverybody ? this.silentNodes : [...this.silentNodes, ...(await silentToOthers(context, peers))],
      presentCoordinators,
    );
    this.resumer = new Resumer(context, peers, this.starter, this.refusals, this.requests);
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
    if (!this.confirmed.has(name) || this.confirmed.get(name) !== incarnation) return false;
    if (!this.confirmedInCopy.has(name)) return true;
    // A store that was restored from an old copy may call an incarnation off that came back, and was seen alive, long ago.
    const newest = this.context.board.livesBefore.get(name);
    return newest === undefined || newest === incarnation;
  }

  /** Looks for requests and for fences that somebody has to go on with. Called at each look, and when the store hints. */
  async tick(): Promise<void> {
    if (this.ticking || !this.isOnDuty()) return;
    this.ticking = true;
    try {
      for (const { node, trigger } of await this.requests.take((name) => this.active.has(name), this.onHint))
        this.begin(node, trigger);
      const ledger = await readLedger(this.context, this.onHint);
      if (ledger === null) return;
      const known = this.peers.all().map(({ name }) => name);
      void this.watch.look(this.context, known); // hundreds of reads, twice an hour: no fence waits for them
      const { entries } = ledger.ledger;
      this.resumer.before.look(Object.keys(entries));
      for (const name of [...this.seen.keys()]) if (!(name in entries)) this.seen.delete(name);
      this.forgetStrangers();
      const inWork = Object.entries(entries).filter(([, state]) => isUnderWay(state) && state !== 'failed');
      this.context.board.underFence = new Set(inWork.map(([name]) => name));
      const names = Object.keys(entries).sort();
      for (let from = 0; from < names.length; from += lookedAfterAtOnce)
        await Promise.all(names.slice(from, from + lookedAfterAtOnce).map((name) => this.lookAfter(name)));
    } finally {
      this.ticking = false;
    }
  }

  /** Nodes that were removed from the cluster leave nothing behind here. */
  private forgetStrangers(): void {
    const isKnown = (name: string) => this.peers.get(name) !== null;
    for (const map of [this.confirmed, this.toldMissing, this.begun])
      for (const name of [...map.keys()]) if (!isKnown(name)) map.delete(name);
    this.refusals.forgetStrangers(isKnown);
  }

  /** Workers fence nobody; nor does a node that has stepped down or is stopping. */
  private isOnDuty(): boolean {
    const { self, duties, board } = this.context;
    return self.role === 'coordinator' && !duties.aborted && board.steppedDown === null;
  }

  /** Waits until the fences that this node is carrying out have come to a safe point, and its late orders are made good. */
  async settle(): Promise<void> {
    await Promise.all(this.active.values());
    await Promise.all(this.amends);
  }

  private begin(target: string, trigger: Trigger): void {
    if (this.active.has(target) || !this.isOnDuty()) return;
    const { env } = this.context;
    if (trigger.kind === 'resume' || trigger.kind === 'retry')
      this.begun.set(target, { mark: this.seen.get(target)?.mark ?? '', ms: env.clock.monotonicMs() });
    const work = this.underLock(target, trigger).finally(() => {
      this.active.delete(target);
      void this.tick(); // what comes next of it does not wait for the next beat
    });
    this.active.set(target, work);
  }

  /** One unfinished fence: resume it when nobody holds its lock, retry it when it is our turn, announce what never came up. */
  private async lookAfter(name: string): Promise<void> {
    const { env, self, config } = this.context;
    const file = await readFence(this.context, name);
    if (file === null) return;
    const { record } = file;
    this.remember(name, record);
    const mark = `${record.id} ${record.state} ${record.tried.length} ${record.rounds}`;
    const nowMs = env.clock.monotonicMs();
    if (this.seen.get(name)?.mark !== mark)
      this.seen.set(name, { mark, sinceMs: nowMs, incarnation: record.incarnation });
    if (this.active.has(name) || name === self.name) return;
    // Who has just looked, and was held, looks again at the next beat: a maintenance may last for hours.
    const begun = this.begun.get(name);
    if (begun?.mark === mark && nowMs - begun.ms < config.keepalive.interval) return;
    const sinceMs = nowMs - (this.seen.get(name)?.sinceMs ?? nowMs);
    if (record.state === 'finished') {
      this.announceMissing(name, record, sinceMs);
      return;
    }
    if (record.state === 'failed' && this.resumer.before.isOfCopy(name, record)) {
      this.begin(name, { kind: 'resume' });
      return;
    }
    if (record.state === 'failed') {
      await this.tryAgain(name, record, sinceMs);
      return;
    }
    const abandoned = (await isAtWork(env, tree.fenceLocks(name))) === false;
    if (abandoned) this.begin(name, { kind: 'resume' });
  }

  /** A fence between two attempts: it is cancelled when keepalives resumed, and tried again when it is our turn. */
  private async tryAgain(name: string, record: FenceRecord, sinceMs: number): Promise<void> {
    const { self, config, board } = this.context;
    const turn = fencersTurn({
      ...(await planFacts(this.context, this.peers, name, this.presentCoordinators(), {
        deviceIsRight: record.deviceIsRight !== null,
        action: record.action,
      })),
      self: self.name,
      tried: record.tried,
      rounds: record.rounds,
      sinceSeenMs: sinceMs,
      backoffMs: config.fencing.retryBackoff,
      backoffMaxMs: config.fencing.retryBackoffMax,
      turnMs: 2 * config.keepalive.interval,
    });
    if (board.peers.get(name)?.verdict === 'alive' && (await this.isUnasked(record))) {
      const attempt = turn.mine ?? { level: record.attempting ?? '', by: self.name };
      this.begin(name, { kind: 'retry', attempt, newRound: false, because: `keepalives of ${name} resumed` });
    } else if (turn.mine !== null)
      this.begin(name, { kind: 'retry', attempt: turn.mine, newRound: turn.newRound, because: turn.because });
  }

  /** No operator waits for this fence (any more): it is cancelled when keepalives resumed. */
  private async isUnasked({ requestId }: FenceRecord): Promise<boolean> {
    return requestId === null || (await this.requests.stands(requestId)) === false;
  }

  private announceMissing(name: string, record: FenceRecord, sinceMs: number): void {
    const { config, history } = this.context;
    if (
      record.action !== 'reboot' ||
      sinceMs < config.detection.startDeadline ||
      this.toldMissing.get(name) === record.id
    )
      return;
    this.toldMissing.set(name, record.id);
    const because = `${name} was fenced and powered on, and has not come back for ${inWords(sinceMs)}; it is not fenced again for that`;
    history.happened('never-came-up', because, { node: name, fenceId: record.id });
  }

  private remember(name: string, record: FenceRecord): void {
    this.resumer.before.see(name, record);
    if (this.resumer.before.isOfCopy(name, record)) this.confirmedInCopy.add(name);
    else this.confirmedInCopy.delete(name);
    if (isConfirmedOff(record.state)) this.confirmed.set(name, record.incarnation);
    // It read on again, or its fence was cancelled after that: its silence counts anew.
    else if (this.confirmed.get(name) === record.incarnation) this.confirmed.delete(name);
  }

  private async underLock(target: string, trigger: Trigger): Promise<void> {
    const { env, self } = this.context;
    if ((await readFence(this.context, target)) === null) return; // made where it is missing: the lock lies below it
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
    if (requestId !== null) this.requests.carriesOut(requestId);
    if ((trigger.kind === 'request' || trigger.kind === 'word') && requestId === trigger.id) return;
    if (trigger.kind === 'word') return this.takeWord(target, trigger, file);
    switch (state) {
      case 'intent':
      case 'fenced':
      case 'restoring':
        if (!(await this.stands(file)) || !(await this.resumer.goesOn(target, file))) return;
        this.refusals.pass(target);
        if (file.record.fencerIncarnation !== this.context.self.incarnation || trigger.kind === 'resume') {
          const because = `${this.context.self.name} goes on with the fence that ${file.record.fencer} left in "${state}"`;
          this.context.history.happened('fence-resumed', because, { node: target, fenceId: file.record.id });
          file.note('resumed', because);
        }
        return this.finish(target, file);
      case 'failed':
        if (trigger.kind === 'resume') await this.resumer.endsWithCopy(target, file);
        else if (trigger.kind === 'retry' || trigger.kind === 'request')
          await this.startAndFinish(target, trigger, file, lock);
        else if (trigger.memory.incarnation !== file.record.incarnation)
          await this.startAndFinish(target, trigger, file, lock);
        else if (await file.settleLedger()) {
          const because = `the fence of ${target} that waits for another attempt was missing in the ledger: it is entered again`;
          this.context.history.happened('fence-step', because, { node: target, fenceId: file.record.id });
        }
        return;
      case 'none':
      case 'finished':
      case 'closed':
      case 'cancelled':
        if (trigger.kind === 'resume' && (await file.settleLedger())) {
          const because = `the record of the fence of ${target} shows none that is under way: it is struck out of the ledger`;
          this.context.history.happened('fence-step', because, { node: target });
        }
        if (
          trigger.kind === 'request' ||
          (trigger.kind === 'verdict' && !this.isConfirmedOff(target, trigger.memory.incarnation))
        ) {
          await this.startAndFinish(target, trigger, file, lock);
        }
        return;
    }
  }

  /** An operator's word stands in for a reading, wherever the fence has come to; a node that is recorded as off is off already. */
  private async takeWord(target: string, trigger: Extract<Trigger, { kind: 'word' }>, file: FenceFile): Promise<void> {
    const taken = await takesWord(this.context, this.peers, this.refusals, target, trigger, file);
    if (taken === null) return;
    // Power on was ordered already: the word changes nothing of that, and the fence goes on.
    if (file.record.state === 'restoring') {
      const asked = stillHolds(target, trigger, taken.sign);
      if ((await this.context.env.store.commit([...file.stands(), ...asked])).ok) await this.finish(target, file);
      return;
    }
    await recordWord(this.context, this.peers, target, file, trigger, taken);
    this.remember(target, file.record);
  }

  /** What was read may be an old copy: who goes on without a write of its own asks the store itself (S6, docs/decisions/0010). */
  private async stands(file: FenceFile): Promise<boolean> {
    return (await this.context.env.store.commit(file.stands())).ok;
  }

  private async startAndFinish(target: string, trigger: Trigger, file: FenceFile, lock: HeldLock): Promise<void> {
    if (await this.starter.start(target, trigger, file, lock)) await this.finish(target, file);
  }

  private async finish(target: string, file: FenceFile): Promise<void> {
    await shoot(this.context, this.peers, target, file);
    if (file.mayStrikeLate.length > 0) {
      const amend = amendLateOrder(this.context, target, file).finally(() => this.amends.delete(amend));
      this.amends.add(amend);
    }
    this.remember(target, file.record);
  }
}
