/**
 * One node's hold on the role: its state, its lease, what it runs. The guard of the lease stands beside every other loop and
 * waits for none of them: the moment that this node can no longer prove that it holds the role, everything of it is stopped
 * at once (S9).
 */
import { inWords } from '../../core/decision.ts';
import { judgeLease, leaseLeftMs } from '../../core/lease.ts';
import { holdsSomething } from '../../core/primary.ts';
import type { TenureFacts } from '../../environment/resources.ts';
import { Bell } from '../bell.ts';
import type { Context } from '../context.ts';
import { keepaliveSentMs } from '../context.ts';
import { agreed } from './failsafe.ts';
import { Holds } from './holds.ts';
import type { Peers } from '../peers.ts';
import type { PrimaryFile } from './primary-file.ts';
import { namesThisLife, readPrimary } from './primary-file.ts';
import type { KeeperOutcome } from './resource-keeper.ts';
import { ResourceKeeper } from './resource-keeper.ts';
import { Role } from './role.ts';

/** While there is nothing to guard the guard waits to be woken, and does not rely on it. */
const idleMs = 5000;
/** Pause between two tries to stop what could not be stopped, while the machine is being reset. */
const stopAgainMs = 1000;
/** From this share of the lease on the other coordinators are asked (failsafe). */
const askAtShare = 0.75;

export class Tenure {
  readonly role: Role;
  readonly keeper: ResourceKeeper;
  readonly holds: Holds;
  facts: TenureFacts;
  private readonly context: Context;
  private readonly peers: Peers;
  /** Called after each change that others, or the loop, must notice at once. */
  private readonly onChange: () => void;
  /** Monotonic sending time of the newest proof: a keepalive, or an agreement of all others. */
  private provenMs = -Infinity;
  /** How much this machine had slept when we last looked, and when (monotonic) it woke up: no proof sent before counts. */
  private suspendedMs: number;
  private wokeMs = -Infinity;
  private aborting = new AbortController();
  private readonly bell: Bell;
  private deposition: Promise<void> | null = null;
  private asking = false;
  private inFailsafe = false;

  constructor(context: Context, peers: Peers, onChange: () => void) {
    this.context = context;
    this.bell = new Bell(context.env.clock);
    this.peers = peers;
    this.onChange = onChange;
    this.role = new Role(context);
    this.keeper = new ResourceKeeper(context);
    this.holds = new Holds(context);
    this.facts = { node: context.self.name, epoch: 0, peer: null, reason: '' };
    this.suspendedMs = context.env.clock.suspendedMs();
  }

  /** Aborted when this tenure ends. */
  get signal(): AbortSignal {
    return this.aborting.signal;
  }

  holdsRole(): boolean {
    return holdsSomething(this.role.state);
  }

  /** True from the moment that the role was lost until `settled`. */
  isLost(): boolean {
    return this.deposition !== null;
  }

  /** Waits until a lost tenure has ended. */
  async settled(): Promise<void> {
    await this.deposition;
    this.deposition = null;
  }

  /** Whether more than half of a lease is left that counts from a keepalive sent then. */
  mayBeginWith(sentMs: number | null): sentMs is number {
    const { env, config } = this.context;
    this.countSleep();
    if (sentMs === null || sentMs < this.wokeMs) return false;
    return env.clock.monotonicMs() - sentMs < config.timing.leaseMs / 2;
  }

  /** `sentMs`: when the keepalive was sent from which the lease counts. */
  begin(file: PrimaryFile, sentMs: number): void {
    const { epoch, previous, because } = file.record;
    this.role.epoch = epoch;
    this.countSleep();
    this.provenMs = sentMs >= this.wokeMs ? sentMs : -Infinity;
    this.aborting = new AbortController();
    this.facts = { node: this.context.self.name, epoch, peer: previous, reason: because };
    this.role.on('appointed', because);
    this.bell.ring();
    this.onChange();
  }

  /** In good order: nothing is left running. */
  end(because: string): void {
    this.aborting.abort();
    this.role.on('stopped', because);
  }

  leaseLeftMs(): number {
    const { env, config } = this.context;
    this.countSleep();
    return leaseLeftMs({ nowMs: env.clock.monotonicMs(), provenMs: this.provenMs, leaseMs: config.timing.leaseMs });
  }

  /** The monotonic clock stands still while the machine sleeps; the lease does not. */
  private countSleep(): void {
    const { clock } = this.context.env;
    const suspendedMs = clock.suspendedMs();
    const sleptMs = suspendedMs - this.suspendedMs;
    this.suspendedMs = suspendedMs;
    if (sleptMs <= 0) return;
    this.wokeMs = clock.monotonicMs();
    this.provenMs -= sleptMs;
  }

  /** Right before each irreversible act: is the role still certainly ours? */
  mayGoOn(): boolean {
    return this.deposition === null && this.leaseLeftMs() > 0;
  }

  /** Called after each own acknowledged keepalive: the read that follows it proves the role anew, or shows that it is lost. */
  async prove(): Promise<void> {
    if (!this.holdsRole()) return;
    if (this.context.board.steppedDown !== null) this.lose(this.context.board.steppedDown);
    const sentMs = keepaliveSentMs(this.context);
    const file = await readPrimary(this.context);
    if (file?.readable === true && sentMs !== null) this.judge(file, sentMs);
  }

  /** What we hold must agree with the record. `sentMs`: an acknowledged keepalive was sent then, and the record read after it. */
  judge(file: PrimaryFile, sentMs: number): void {
    const { record } = file;
    if (!this.holdsRole()) return;
    if (namesThisLife(this.context, record) && record.epoch === this.role.epoch) {
      this.countSleep();
      if (sentMs >= this.wokeMs) this.provenMs = Math.max(this.provenMs, sentMs);
      return;
    }
    this.lose(`the record names ${record.holder ?? 'nobody'} with epoch ${record.epoch}: ${record.because}`);
  }

  /** The role is lost: everything is stopped at once, whatever else is under way. */
  lose(because: string): void {
    const { history, self } = this.context;
    if (this.role.state === 'secondary' || this.role.state === 'deposed') return;
    this.role.on('lost', because);
    const evidence = { epoch: this.role.epoch };
    history.happened('deposed', `${self.name} is deposed: ${because}`, { node: self.name, evidence });
    this.aborting.abort();
    this.facts = { ...this.facts, peer: null, reason: because };
    this.deposition = this.depose();
    this.onChange();
  }

  /** Guards the lease until `over`. */
  async guard(over: AbortSignal): Promise<void> {
    const { env, config } = this.context;
    const { leaseMs, renewalMs } = config.timing;
    over.addEventListener('abort', this.bell.ring);
    while (!over.aborted) {
      if (!this.holdsRole() || this.role.state === 'deposed') {
        this.bell.listen();
        await this.bell.wait(idleMs);
        continue;
      }
      const left = this.leaseLeftMs();
      if (left <= 0) {
        this.lose(judgeLease({ nowMs: env.clock.monotonicMs(), provenMs: this.provenMs, leaseMs }).because);
        continue;
      }
      if (config.primary.failsafe && left < leaseMs * askAtShare) void this.askForAgreement(left);
      void this.holds.endLapsed();
      await env.clock.sleep(Math.min(left, renewalMs));
    }
  }

  /** S9: what cannot be stopped must not go on. */
  async reset(because: string): Promise<void> {
    const { env, history, self } = this.context;
    history.happened('self-fence', `${self.name} resets itself: ${because}`, { node: self.name });
    await env.reset.resetMachine(because);
    await env.clock.sleep(stopAgainMs);
  }

  private async depose(): Promise<void> {
    const { role, keeper, facts } = this;
    const { env } = this.context;
    const beganMs = env.clock.monotonicMs();
    let stopped = await this.stopEverything(facts);
    while (!stopped.ok) {
      role.on('stopFailed', stopped.because);
      await this.reset(stopped.because);
      stopped = await this.stopEverything(facts);
    }
    env.log.info('deposed', { because: `everything is stopped after ${inWords(env.clock.monotonicMs() - beganMs)}` });
    await keeper.hooks('deposed', facts, null);
    await keeper.journalHeld(null);
    role.on('stopped', 'everything is stopped, the deposed hooks have ended');
    this.onChange();
  }

  /** The resources, and at the same time the commands that rely on the role. */
  private async stopEverything(facts: TenureFacts): Promise<KeeperOutcome> {
    const [stopped, running] = await Promise.all([this.keeper.stopAtOnce(facts), this.holds.ended()]);
    return stopped.ok && running !== null ? { ok: false, because: running } : stopped;
  }

  private async askForAgreement(leftMs: number): Promise<void> {
    const { env, history, self } = this.context;
    if (this.asking || this.role.state !== 'primary' || env.store.session().state === 'connected') return;
    this.asking = true;
    const askedMs = env.clock.monotonicMs();
    const answer = await agreed(this.context, this.peers, this.role.epoch, leftMs / 2);
    this.asking = false;
    this.countSleep();
    if (!answer.ok) env.log.warn('failsafe', { because: answer.because });
    else if (!this.isLost() && askedMs > this.provenMs && askedMs >= this.wokeMs) {
      const because = `${self.name} goes on without the store: ${answer.because}`;
      if (!this.inFailsafe) history.happened('failsafe', because, { node: self.name });
      this.provenMs = askedMs;
    }
    this.inFailsafe = answer.ok;
  }
}
