/**
 * The verifier: at start, when a registration or the trust in a device changes, and then on a slow beat, this node proves for
 * itself, for the nodes that it observes and for those that it would stand in for, that fencing would work, without changing power
 * (prover.ts). Whom it comes to observe is verified at once. Here is when whom: rounds, operators' requests, and who is left out for a while.
 */
import { verifiedBy } from '../core/observers.ts';
import type { Registration } from '../records/registration.ts';
import { parseRecord } from '../records/record.ts';
import { OperatorRequest } from '../records/request.ts';
import { tree } from '../records/tree.ts';
import { Bell } from './bell.ts';
import type { Context } from './context.ts';
import type { Peers } from './peers.ts';
import { leaveToOthers } from './left-to-others.ts';
import { Prover } from './prover.ts';
import { rankedNodes } from './ranked-nodes.ts';

/** A node that has just joined is proved within this: what dies unproved is not believed to be off. */
const lookMs = 1000;
/** Requests come with a hint; without one they are looked for this often. */
const requestsMs = 5000;
/** How often it is tried to remove records of nodes that others verify now, while there are any. */
const leaveMs = 5000;

export class Verifier {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly prover: Prover;
  private readonly answered = new Set<string>();
  /** Who was left out of a round because a fence of it was under way. */
  private readonly leftOut = new Set<string>();
  /** Whom the last round of proofs was about. */
  private checked: readonly Registration[] = [];
  /** Whether the row may hold records of nodes that others verify now: a former run or a request may have left some. */
  private hasOthers = true;
  private leaveDueMs = 0;
  private readonly bell: Bell;

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.bell = new Bell(context.env.clock, context.duties);
    this.peers = peers;
    this.prover = new Prover(context, peers);
  }

  /** The store was restored from an old copy: this node's row there is old, and the numbers of requests are given a second time. */
  forgetStore(): void {
    this.answered.clear();
    this.prover.publishAgain();
    this.bell.ring();
  }

  async run(): Promise<void> {
    const { env, duties, config } = this.context;
    let dueMs = 0;
    let requestsDueMs = 0;
    while (!duties.aborted) {
      const nowMs = env.clock.monotonicMs();
      const isHinted = this.bell.hasRung();
      this.bell.listen();
      const registrations = this.wanted();
      this.forgetOthers(registrations);
      const isDue = registrations.length > 0 && (nowMs >= dueMs || this.hasChanged(registrations));
      if (!isDue)
        await this.checkFree(
          registrations.filter(({ name }) => this.leftOut.has(name) || this.prover.isOutdated(name)),
        );
      else {
        this.checked = registrations;
        await this.checkFree(registrations);
        dueMs = env.clock.monotonicMs() + config.fencing.verifyInterval * (0.9 + 0.2 * env.random.fraction());
      }
      await this.prover.makeUp();
      await this.leaveToOthers();
      if (isHinted || nowMs >= requestsDueMs) {
        await this.answerRequests();
        requestsDueMs = nowMs + requestsMs;
      }
      await this.bell.wait(lookMs);
    }
  }

  /** A registration is another object when it was read anew. */
  private hasChanged(registrations: readonly Registration[]): boolean {
    if (registrations.length !== this.checked.length) return true;
    return registrations.some((now, index) => {
      const before = this.checked[index];
      return (
        before !== now &&
        (before?.name !== now.name ||
          before.devicesSealed !== now.devicesSealed ||
          before.watchdogBoundMs !== now.watchdogBoundMs)
      );
    });
  }

  /** Who is verified by others now is no change; when it comes back to this node, it is one, and verified at once. */
  private forgetOthers(registrations: readonly Registration[]): void {
    const own = new Set(registrations.map(({ name }) => name));
    const kept = this.checked.filter(({ name }) => own.has(name) || this.peers.get(name) === null);
    this.hasOthers ||= kept.length < this.checked.length;
    this.checked = kept;
  }

  /** The records of who is verified by others now go. */
  private async leaveToOthers(): Promise<void> {
    const { env, self } = this.context;
    const own = new Set(this.wanted().map(({ name }) => name));
    if (self.role !== 'coordinator' || own.size === 0) return;
    const isAll = own.size === this.peers.all().length;
    // While an operator's request stands its answer is being read.
    const isDue = env.clock.monotonicMs() >= this.leaveDueMs && this.answered.size === 0;
    if (isAll || !this.hasOthers || !isDue) return;
    this.leaveDueMs = env.clock.monotonicMs() + leaveMs;
    const { gone, isDone } = await leaveToOthers(this.context, this.peers, own);
    for (const name of gone) this.prover.drop(name);
    this.hasOthers = !isDone;
  }

  /** An operator's preflight: probe anew what it asks for, and mark the row as its answer. */
  private async answerRequests(): Promise<void> {
    if (this.context.self.role !== 'coordinator') return;
    const { store } = this.context.env;
    const listed = await store.list(tree.requests, this.bell.ring);
    if (!listed.ok) return;
    for (const id of listed.names.filter((name) => !this.answered.has(name))) {
      const read = await store.read(`${tree.requests}/${id}`);
      if (!read.ok) continue;
      const parsed = parseRecord(OperatorRequest, read.text);
      const isVerify = parsed.ok && parsed.record.kind === 'verify';
      // A node that has just joined knows nobody yet: its answer would say that it can fence nobody.
      if (isVerify && (await this.peers.refresh()) === null) continue;
      this.answered.add(id);
      if (!parsed.ok) {
        const because = `${tree.requests}/${id} cannot be read: ${parsed.because}; it is no request`;
        this.context.history.happened('record-unreadable', because);
      }
      if (!parsed.ok || parsed.record.kind !== 'verify') continue;
      const { node, everywhere } = parsed.record;
      const wanted = everywhere ? this.peers.all() : this.wanted();
      if (everywhere) this.hasOthers = true;
      await this.prover.prove(
        wanted.filter((peer) => node === null || peer.name === node),
        id,
      );
    }
    for (const id of this.answered) if (!listed.names.includes(id)) this.answered.delete(id);
  }

  /** What its observers and their stand-ins verify; a worker only itself (advice: a host may not reach its own BMC). */
  private wanted(): Registration[] {
    const own = verifiedBy(this.context.self.name, rankedNodes(this.context, this.peers));
    return this.peers.all().filter(({ name }) => own.has(name));
  }

  /** A BMC has few sessions and little speed: while a fence needs it, no proof gets in its way, and is made up for afterwards. */
  private async checkFree(registrations: readonly Registration[]): Promise<void> {
    const { underFence } = this.context.board;
    for (const { name } of registrations)
      if (underFence.has(name)) this.leftOut.add(name);
      else this.leftOut.delete(name);
    const free = registrations.filter(({ name }) => !underFence.has(name));
    if (free.length === 0) return;
    for (const name of await this.prover.prove(free, null)) this.leftOut.add(name);
  }
}
