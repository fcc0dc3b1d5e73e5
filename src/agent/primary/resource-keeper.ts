/**
 * Starts and stops what the primary runs, and knows since when each is away. One thing is done to a resource at a time; an
 * emergency stop waits only for the aborted call before it.
 */
import { inWords } from '../../core/decision.ts';
import type { ResourceStatus } from '../../core/resources.ts';
import { stopOrder } from '../../core/resources.ts';
import type { HookKind, Resource, ResourceOutcome, TenureFacts } from '../../environment/resources.ts';
import { TenureJournal, tenureFile } from '../../records/journal.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import type { Context } from '../context.ts';

export interface KeeperOutcome {
  readonly ok: boolean;
  readonly because: string;
}

/** What the journal of the tenure says was held, or was about to be. */
type Tenure = Omit<NonNullable<TenureJournal['held']>, 'sinceWallMs'>;
const unknownTenure: Tenure = { epoch: 0, peer: null, isPromised: false };

export class ResourceKeeper {
  /** Monotonic time at which each resource stopped last; cleared when it starts. */
  readonly stoppedAtMs = new Map<string, number>();
  /** How long after the beginning of this takeover each resource ran, in ms. */
  readonly startedAfterMs = new Map<string, number>();
  private readonly context: Context;
  /** The epoch that the journal holds as ours; null: none. */
  heldEpoch: number | null = null;
  private readonly tails = new Map<string, Promise<unknown>>();
  /** Stops under way: an emergency joins them instead of waiting for them and then stopping again. */
  private readonly stopping = new Map<string, Promise<KeeperOutcome>>();

  constructor(context: Context) {
    this.context = context;
  }

  get list(): readonly Resource[] {
    return this.context.env.primary.list;
  }

  /** The hooks of this kind, in order. A failure is the outcome; nothing is thrown. */
  async hooks(kind: HookKind, facts: TenureFacts, signal: AbortSignal | null): Promise<KeeperOutcome> {
    const done = await this.context.env.primary.runHooks(kind, facts, signal);
    if (!done.ok) {
      const because = `hook ${kind}: ${done.because}`;
      this.context.history.happened('hook', `${facts.node}: ${because}`, { node: facts.node });
      return { ok: false, because };
    }
    return done;
  }

  /**
   * Notes on the disk that something of the role may run here from now on; `null`: nothing does any more. Not ok: the disk hangs, and
   * nothing may be begun here. A disk that is full is said, and stops nothing: the next incarnation stops what runs by its status.
   */
  async journalHeld(held: Tenure | null): Promise<KeeperOutcome> {
    const { env } = this.context;
    this.heldEpoch = held?.epoch ?? null;
    const text = printRecord({ schema: 1, held: held === null ? null : { ...held, sinceWallMs: env.clock.wallMs() } });
    const trouble = await env.journal.write(tenureFile, text);
    if (trouble !== null) env.log.error('journal not written', { because: trouble });
    const hangs = this.context.board.diskTrouble;
    return { ok: hangs === null, because: hangs ?? 'noted' };
  }

  /** What the journal says; an unreadable one counts as held: what runs is stopped, and the deposed hooks run. */
  async journalSays(): Promise<Tenure | null> {
    const text = await this.context.env.journal.read(tenureFile);
    if (text === null) return this.context.board.diskTrouble === null ? null : unknownTenure;
    const parsed = parseRecord(TenureJournal, text);
    return parsed.ok ? parsed.record.held : unknownTenure;
  }

  /** In order, until one fails or `may` says that we may not go on. */
  async startAll(facts: TenureFacts, beganMs: number, signal: AbortSignal, may: () => boolean): Promise<KeeperOutcome> {
    for (const resource of this.list) {
      if (signal.aborted || !may()) return { ok: false, because: `not started: ${resource.name} (the role is lost)` };
      const done = await this.one(resource, () => resource.start(facts, signal));
      if (!done.ok) return this.tell(resource, 'could not be started', done);
      this.startedAfterMs.set(resource.name, this.context.env.clock.monotonicMs() - beganMs);
      this.context.env.log.info('resource started', {
        because: `${resource.name}: ${done.because}`,
        tookMs: Math.round(done.tookMs),
      });
    }
    return { ok: true, because: 'all resources run' };
  }

  /** In reverse order; stops at the first that cannot be stopped. */
  async stopAll(facts: TenureFacts): Promise<KeeperOutcome> {
    for (const resource of stopOrder(this.list)) {
      const done = await this.stop(resource, facts);
      if (!done.ok) return done;
    }
    return { ok: true, because: 'all resources are stopped' };
  }

  /** All at once: how long it takes is bounded by the slowest, not by the sum (timing.stopBoundMs). */
  async stopAtOnce(facts: TenureFacts): Promise<KeeperOutcome> {
    const done = await Promise.all(this.list.map((resource) => this.stop(resource, facts)));
    return done.find((one) => !one.ok) ?? { ok: true, because: 'all resources are stopped' };
  }

  /** What a former life left running is stopped. Nothing is started. */
  async stopWhatRuns(facts: TenureFacts): Promise<KeeperOutcome & { readonly found: string[] }> {
    const found: string[] = [];
    for (const resource of stopOrder(this.list)) {
      const { status } = await resource.status();
      if (status === 'stopped') continue;
      found.push(resource.name);
      const done = await this.stop(resource, facts);
      if (!done.ok) return { ...done, found };
    }
    return { ok: true, because: 'nothing is left running', found };
  }

  /** Restarts one resource whose health asked for it. What is not certainly stopped is stopped first. */
  async restart(
    resource: Resource,
    status: ResourceStatus,
    facts: TenureFacts,
    signal: AbortSignal,
  ): Promise<KeeperOutcome> {
    if (status !== 'stopped') {
      const stopped = await this.stop(resource, facts);
      if (!stopped.ok || signal.aborted) return stopped;
    }
    const done = await this.one(resource, () => resource.start(facts, signal));
    return done.ok ? done : this.tell(resource, 'could not be restarted', done);
  }

  private stop(resource: Resource, facts: TenureFacts): Promise<KeeperOutcome> {
    const underWay = this.stopping.get(resource.name);
    if (underWay !== undefined) return underWay;
    const stopped = this.stopNow(resource, facts).finally(() => this.stopping.delete(resource.name));
    this.stopping.set(resource.name, stopped);
    return stopped;
  }

  private async stopNow(resource: Resource, facts: TenureFacts): Promise<KeeperOutcome> {
    const { env } = this.context;
    const done = await this.one(resource, () => resource.stop(facts));
    if (!done.ok) return this.tell(resource, 'could not be stopped', done);
    this.stoppedAtMs.set(resource.name, env.clock.monotonicMs());
    env.log.info('resource stopped', { because: `${resource.name}: ${done.because}`, tookMs: Math.round(done.tookMs) });
    return done;
  }

  private tell(resource: Resource, what: string, done: ResourceOutcome): KeeperOutcome {
    const because = `${resource.name} ${what} (${inWords(done.tookMs)}): ${done.because}`;
    this.context.history.happened('resource', because, { node: this.context.self.name });
    return { ok: false, because };
  }

  private one<T>(resource: Resource, act: () => Promise<T>): Promise<T> {
    const before = this.tails.get(resource.name) ?? Promise.resolve();
    const now = before.then(act);
    this.tails.set(resource.name, now);
    return now;
  }
}
