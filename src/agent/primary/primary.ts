/**
 * The primary role of one coordinator: one loop that reads the whole situation anew at every hint and tick, decides by
 * the tables of core, and acts. Level-triggered: a hint that is lost costs a tick, never a decision.
 *
 * S1 rests on: `takeOver` is entered only with a record that names this life, and the record is freed only by `release`
 * (after every resource was stopped), by the hand-over (ditto), or with the record that power read off (fence-attempt.ts).
 */
import type { Keepalive } from '../../records/keepalive.ts';
import { tree } from '../../records/tree.ts';
import { ownHindrance } from './candidates.ts';
import { contend } from './contend.ts';
import { EpochMemory, setBackInWords } from './epoch-memory.ts';
import { Bell } from '../bell.ts';
import type { Context } from '../context.ts';
import { keepaliveSentMs } from '../context.ts';
import { Health } from './health.ts';
import { readMaintenance } from '../maintenance.ts';
import type { Peers } from '../peers.ts';
import { OnceMemory } from './once-memory.ts';
import type { PrimaryFile } from './primary-file.ts';
import { namesThisLife, readPrimary, writePrimary } from './primary-file.ts';
import { relinquish } from './relinquish.ts';
import type { Left } from './takeover.ts';
import { publish, release, takeOver } from './takeover.ts';
import { Tenure } from './tenure.ts';
import type { Wish } from './transfer-desk.ts';
import { TransferDesk } from './transfer-desk.ts';

/** Pause while something is about to change: noded is starting, or another has won a contention just now. */
const soonMs = 500;
/** Pause while a keepalive that was asked for is written. */
const keepaliveSoonMs = 20;
/** A disk that has not answered by then is not waited for before what runs is stopped. */
const promptDiskMs = 200;

export class PrimaryLoop {
  readonly tenure: Tenure;
  readonly once: OnceMemory;
  /** The record as last read; null: never. */
  known: PrimaryFile | null = null;
  private readonly context: Context;
  private readonly peers: Peers;
  private desk: TransferDesk;
  private readonly health: Health;
  private readonly epochs: EpochMemory;
  /** Publishes a keepalive at once: peers shall see a change of the role without waiting for the beat. */
  private readonly poke: () => void;
  /** Hears that ZooKeeper was restored from an old copy. */
  private readonly onSetBack: (because: string) => void;
  private readonly onHint = () => this.wake();
  private readonly bornMs: number;
  private readonly bell: Bell;
  /** When the loop looks again without any hint. */
  private nextLookMs = soonMs;
  private freeSince: { readonly version: number; readonly ms: number } | null = null;
  /** Why this node wants to be rid of the role for good: it is stopping. */
  private closing: string | null = null;
  /** Why the role is not taken, or freed, in this look; null: nothing blocks it. */
  private blocked: string | null = null;
  private isParkedTold = false;

  constructor(context: Context, peers: Peers, poke: () => void, onSetBack: (because: string) => void) {
    this.context = context;
    this.onSetBack = onSetBack;
    this.bell = new Bell(context.env.clock);
    this.peers = peers;
    this.poke = poke;
    this.bornMs = context.env.clock.monotonicMs();
    this.tenure = new Tenure(context, peers, () => {
      poke();
      this.wake();
    });
    this.epochs = new EpochMemory(context, peers);
    this.once = new OnceMemory(context);
    this.desk = this.newDesk();
    this.health = new Health(context, this.tenure.keeper, async () => (await this.desk.others()).length);
  }

  /**
   * Before all else: what a former life left running is stopped, and its deposed hooks run. A disk that hangs is not waited for: what runs
   * is stopped by its status (S9), with epoch 0 in its environment, and who held what is told when the disk has answered or is given up.
   */
  async cleanUp(): Promise<void> {
    const { history, self, env } = this.context;
    const { role, keeper } = this.tenure;
    const loading = Promise.all([role.load(), this.epochs.load(), this.once.load()]);
    const ending = this.endFormerCommands();
    const saying = keeper.journalSays().then((said) => {
      // It was written before the first resource started, and the memory of epochs only beside that.
      const holder = { name: self.name, incarnation: self.incarnation };
      if (said?.isPromised === true) this.epochs.promised = said.epoch;
      else if (said !== null) this.epochs.learn({ epochSeen: said.epoch, epochHolder: holder });
      return said;
    });
    const prompt = await Promise.race([Promise.all([saying, ending]), env.clock.sleep(promptDiskMs)]);
    const [known] = prompt ?? [null];
    const runs = {
      node: self.name,
      epoch: known?.epoch ?? 0,
      peer: known?.peer ?? null,
      reason: 'noded was started anew',
    };
    for (;;) {
      const done = await keeper.stopWhatRuns(runs);
      const found = `${self.name}: a former life left running: ${done.found.join(', ')}; ${done.because}`;
      if (done.found.length > 0) history.happened('resource', found, { node: self.name });
      if (done.ok) break;
      await this.tenure.reset(done.because);
    }
    const [held] = await Promise.all([saying, ending, loading]);
    const { epoch, peer } = held ?? { epoch: 0, peer: null };
    const facts = { ...runs, epoch, peer };
    if (held === null) return;
    role.epoch = epoch;
    const because = `noded or its machine ended while it held the role, or was about to (epoch ${epoch}); nothing of it is left`;
    role.note({ from: 'primary', event: 'died', to: 'secondary', because });
    history.happened('deposed', `${self.name}: ${because}`, { node: self.name });
    await keeper.hooks('deposed', facts, null);
    await keeper.journalHeld(null);
  }

  private async endFormerCommands(): Promise<void> {
    const { holds } = this.tenure;
    for (let running = await holds.endFormer(); running !== null; running = await holds.endFormer())
      await this.tenure.reset(running);
  }

  /** Lives until `over`; a tenure that is left then is deposed. */
  async run(over: AbortSignal): Promise<void> {
    const { env, board } = this.context;
    const { tenure } = this;
    const subject = () => (tenure.role.state === 'primary' ? { facts: tenure.facts, signal: tenure.signal } : null);
    const guarding = tenure.guard(over);
    // At once: a resource that starts or a hook that hangs may keep the loop longer than the lease lasts (S9).
    over.addEventListener('abort', () => tenure.lose('noded ends'));
    void this.health.run(over, subject, this.onHint);
    void this.once.run(over);
    // Watches end with their connection, so what they would have told may have been missed.
    const stopListening = env.store.onSession(this.onHint);
    while (!over.aborted) {
      this.bell.listen();
      if (board.daemonState !== 'starting') await this.look();
      await this.bell.wait(this.nextLookMs);
    }
    stopListening();
    await tenure.settled();
    await guarding;
    // In a hurry nobody waits for a successor, but nobody has to wait for a fence either.
    const last = await readPrimary(this.context);
    if (last?.readable === true && namesThisLife(this.context, last.record) && !tenure.holdsRole())
      if (last.record.epoch >= this.epochs.highest)
        await release(this.context, tenure, last, `${this.context.self.name} has stopped everything and ends`);
  }

  /** What another node has seen of the role, and told beside the store. */
  learnEpoch(seen: Pick<Keepalive, 'epochSeen' | 'epochHolder'>): void {
    this.epochs.learn(seen);
  }

  wake(): void {
    this.bell.ring();
  }

  /** The store was restored from an old copy: the numbers of its transfers are given a second time. */
  forgetStore(): void {
    this.desk = this.newDesk();
    this.freeSince = null;
    this.epochs.forgetStore();
  }

  private newDesk(): TransferDesk {
    return new TransferDesk(this.context, this.peers, this.tenure.keeper, this.onHint);
  }

  /** For a stop in good order: hands the role on, until `hurry`. True when this node holds nothing, and a successor was seen or none can be. */
  async handOver(because: string, withinMs: number, hurry: AbortSignal): Promise<boolean> {
    const { env } = this.context;
    const { tenure } = this;
    const held = tenure.holdsRole();
    const endMs = env.clock.monotonicMs() + withinMs;
    this.closing = because;
    while (env.clock.monotonicMs() < endMs && !hurry.aborted) {
      this.wake();
      const record = this.known?.record;
      const free = !tenure.holdsRole() && record !== undefined && !namesThisLife(this.context, record);
      if (free && (!held || record.state === 'primary' || (await this.desk.isNobodyElse()))) return true;
      await env.clock.sleep(100, hurry);
    }
    return !tenure.holdsRole();
  }

  /** Withdraws from the contention and stands anew (election leave). */
  leaveElection(): { left: boolean; because: string } {
    const { board } = this.context;
    const { role } = this.tenure;
    if (role.state === 'primary') {
      const because = 'it is primary and contends for nothing; "nodectl primary relinquish" hands the role on';
      return { left: false, because };
    }
    if (role.state !== 'secondary') return { left: false, because: `it is in "${role.state}": a switch is under way` };
    this.freeSince = null;
    board.barredUntilMs = 0;
    const because = 'it left the contention and stands anew';
    role.note({ from: 'secondary', event: 'electionLeft', to: 'secondary', because });
    this.wake();
    return { left: true, because };
  }

  // ---- observe ------------------------------------------------------------------------------------------------------

  private async look(): Promise<void> {
    const { context, tenure } = this;
    const { board } = context;
    this.nextLookMs = context.config.timing.lookMs;
    await tenure.settled();
    if (board.steppedDown !== null) tenure.lose(board.steppedDown);
    const sentMs = keepaliveSentMs(context);
    const file = await readPrimary(context, this.onHint);
    if (file === null) {
      this.seeOwnHindrance();
      return;
    }
    if (!file.readable) {
      await this.restore(file);
      return;
    }
    const setBack = await this.whySetBack(file);
    if (setBack !== null) {
      this.onSetBack(setBack);
      return;
    }
    this.known = file;
    board.primaryEpoch = file.record.epoch;
    this.epochs.see(file.record);
    await this.readMaintenance();
    this.seeOwnHindrance();
    if (sentMs !== null) tenure.judge(file, sentMs);
    this.blocked = null;
    const left = tenure.isLost() ? null : await this.decide(file, sentMs);
    // Published with the next keepalive.
    board.roleBlocked = this.blockedBecause();
    if (left === null) {
      await this.epochs.hear();
      return;
    }
    this.known = left;
    this.poke();
    this.wake();
  }

  /**
   * An epoch that is lower than one that was seen proves a restore, also where nobody can be asked (S3: fences rest on it as well). A server
   * that lags shows an old record too, so the leader is asked whether it stands.
   */
  private async whySetBack({ record, version }: PrimaryFile): Promise<string | null> {
    const { board, env, self } = this.context;
    const { highest } = this.epochs;
    if (board.setBackAtMs !== null || record.epoch >= highest) return null;
    const stands = await env.store.commit([{ kind: 'check', path: tree.primary, version }]);
    return stands.ok ? setBackInWords(record.epoch, self.name, highest) : null;
  }

  private blockedBecause(): string | null {
    return this.blocked?.slice(0, 600) ?? null;
  }

  private lookWithin(ms: number): void {
    this.nextLookMs = Math.min(this.nextLookMs, ms);
  }

  private seeOwnHindrance(): void {
    const { board } = this.context;
    const before = board.ineligible;
    board.ineligible = ownHindrance(this.context)?.slice(0, 300) ?? null;
    if ((before === null) !== (board.ineligible === null)) this.poke();
  }

  private async readMaintenance(): Promise<void> {
    const { board, self } = this.context;
    const own = await readMaintenance(this.context, tree.nodeMaintenance(self.name));
    if (own === null) return;
    // Nobody fences while the cluster is in maintenance, so nobody else would notice that its time is over.
    if (this.tenure.role.state === 'primary') await readMaintenance(this.context, tree.maintenance);
    board.ownMaintenance = own.reason;
    board.keepsRoleInMaintenance = own.keepsRole;
  }

  // ---- decide, act --------------------------------------------------------------------------------------------------

  /** The record as it stands after what was done; null: nothing was changed. */
  private async decide(file: PrimaryFile, sentMs: number | null): Promise<Left> {
    const { context } = this;
    const { holder, state } = file.record;
    if (namesThisLife(context, file.record)) return this.asNamed(file, sentMs);
    if (holder === context.self.name) return this.releaseFormerLife(file);
    if (state === 'none') return this.stand(file);
    this.freeSince = null;
    await this.desk.asOther();
    return null;
  }

  private async asNamed(file: PrimaryFile, sentMs: number | null): Promise<Left> {
    const { context, tenure } = this;
    const { role } = tenure;
    const { record } = file;
    if (role.state === 'secondary') {
      const appointed = record.state === 'takeover' && record.epoch > role.epoch && record.epoch >= this.epochs.highest;
      if (appointed && sentMs !== null && this.closing === null && context.board.steppedDown === null) {
        if (!this.hasFreshKeepalive(sentMs)) return null;
        context.board.roleBlocked = null;
        return takeOver(context, tenure, file, sentMs);
      }
      if (!(await this.mayFree(file))) return null;
      return release(context, tenure, file, `${context.self.name} has stopped everything`, this.epochs.highest);
    }
    if (role.state !== 'primary') return null;
    if (record.state !== 'primary') return publish(context, file);
    const prepared = await this.desk.asHolder(file, this.wish());
    if (prepared !== null) return relinquish(context, tenure, file, prepared, prepared.record.reason);
    if (this.closing !== null && (await this.desk.isNobodyElse()))
      return relinquish(context, tenure, file, null, this.closing);
    return null;
  }

  /** Why the holder wants to be rid of the role; null: it does not. */
  private wish(): Wish | null {
    const { board } = this.context;
    if (this.closing !== null) return { reason: this.closing, mayReturn: false };
    if (board.ownMaintenance !== null && !board.keepsRoleInMaintenance)
      return { reason: `maintenance: ${board.ownMaintenance}`, mayReturn: true };
    if (board.draining !== null) return { reason: board.draining, mayReturn: true };
    if (this.health.ill !== null) return { reason: this.health.ill, mayReturn: true };
    return null;
  }

  private async stand(file: PrimaryFile): Promise<Left> {
    const { context, tenure } = this;
    const nowMs = context.env.clock.monotonicMs();
    if (this.freeSince?.version !== file.version) this.freeSince = { version: file.version, ms: nowMs };
    if (this.closing !== null) return null;
    if (!this.hasFreshKeepalive(keepaliveSentMs(context))) return null;
    const contended = await contend(context, this.peers, this.epochs, {
      forMs: nowMs - this.freeSince.ms,
      epoch: file.record.epoch,
    });
    if (contended.kind === 'won') {
      this.epochs.see(contended.file.record);
      context.board.roleBlocked = null;
      const provenMs = Math.min(keepaliveSentMs(context) ?? -Infinity, contended.sentMs);
      return takeOver(context, tenure, contended.file, provenMs);
    }
    if (contended.kind === 'blocked') this.blocked = contended.because;
    if (contended.kind !== 'lost') this.lookWithin(contended.ms);
    else {
      const { because } = contended;
      this.lookWithin(soonMs);
      tenure.role.note({ from: 'secondary', event: 'contentionLost', to: 'secondary', because });
    }
    return null;
  }

  /** A lease counts from the last keepalive: it is renewed before the role is taken, so that more than half of it is left. */
  private hasFreshKeepalive(sentMs: number | null): sentMs is number {
    if (this.tenure.mayBeginWith(sentMs)) return true;
    this.poke();
    this.lookWithin(keepaliveSoonMs);
    return false;
  }

  /** A former life of this node held it: cleanUp has stopped everything; its promises end with its lease at the latest. */
  private async releaseFormerLife(file: PrimaryFile): Promise<Left> {
    const { context, tenure } = this;
    const { env, config, self } = context;
    const leftMs = this.bornMs + config.timing.leaseMs - env.clock.monotonicMs();
    if (leftMs > 0) {
      this.lookWithin(leftMs);
      return null;
    }
    if (!(await this.mayFree(file))) return null;
    const because = `${self.name} was started anew and runs nothing of its former life`;
    return release(context, tenure, file, because, this.epochs.highest);
  }

  /** S1: a record of an older epoch, out of an old copy of the store, is freed only when nothing of the newer one runs any more. */
  private async mayFree({ record, version }: PrimaryFile): Promise<boolean> {
    const nowMs = this.context.env.clock.monotonicMs();
    if (this.freeSince?.version !== version) this.freeSince = { version, ms: nowMs };
    this.blocked = await this.epochs.distrust(record.epoch, nowMs - this.freeSince.ms);
    if (this.blocked === null) return true;
    this.lookWithin(soonMs);
    this.tellParked();
    return false;
  }

  /** Nobody fences a node that publishes: a person has to know that its disk keeps the role from everybody. */
  private tellParked(): void {
    const { board, history, self } = this.context;
    if (this.isParkedTold || board.diskTrouble === null) return;
    this.isParkedTold = true;
    const because = `${self.name} does not give back the role that its former life held, so nobody is primary: ${this.blocked ?? board.diskTrouble}; repair its disk, or nodectl fence ${self.name}`;
    history.happened('disk', because, { node: self.name });
  }

  /** The holder knows what stood in a record that somebody spoilt; others can only wait. */
  private async restore(file: PrimaryFile): Promise<void> {
    const { context } = this;
    const { role } = this.tenure;
    const known = this.known?.record;
    if (role.state !== 'primary' || known === undefined || !namesThisLife(context, known)) return;
    const { holder, incarnation, previous } = known;
    const because = `${context.self.name} wrote its own record anew over one that could not be read`;
    const own = { holder, incarnation, epoch: role.epoch, previous };
    const written = await writePrimary(context, file, { state: 'primary', ...own, because, transfer: null });
    if (written.ok) context.history.happened('primary', because, { node: context.self.name });
  }
}
