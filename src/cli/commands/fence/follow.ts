/** Follows one request: what is under way, who has taken it, each step, and when it comes to an outcome. */
import { isConfirmedOff, isUnderWay } from '../../../core/fencing.ts';
import { alreadyFenced } from '../../../core/guards.ts';
import type { FenceRecord } from '../../../records/fence.ts';
import { FenceLedger } from '../../../records/fence.ts';
import { parseRecord } from '../../../records/record.ts';
import type { ConfirmRequest, FenceRequest } from '../../../records/request.ts';
import { OperatorRequest } from '../../../records/request.ts';
import { tree } from '../../../records/tree.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Connected } from '../../connect.ts';
import { pause } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { clockTime } from '../../output.ts';
import { readEvents } from '../../read-events.ts';
import { nextTry } from './next-try.ts';
import { readRecord } from './read-fence.ts';
import { stopHint } from './stop-hint.ts';

/** How long a coordinator may take to pick a request up. */
const pickUpMs = 15_000;
/** What is tried next is looked up this often. */
const nextMs = 1000;
/** A request that waits this long is told what for. */
const patienceMs = 2000;

export class Follower {
  private readonly connected: Connected;
  private readonly request: FenceRequest | ConfirmRequest;
  private readonly path: string;
  private readonly id: string;
  /** Null: only the outcome is printed. */
  private readonly output: Output | null;
  private printed = 0;
  /** The fence whose steps are printed. */
  private printedId = '';
  /** The fence that carries this request out or answers it, as it was seen last; null: it was not taken (yet). */
  private followed: FenceRecord | null = null;
  private lookedNextMs = -Infinity;
  private readonly told = new Set<string>();

  constructor(connected: Connected, request: FenceRequest | ConfirmRequest, path: string, output: Output | null) {
    this.connected = connected;
    this.request = request;
    this.path = path;
    this.id = path.slice(tree.requests.length + 1);
    this.output = output;
  }

  /** The record when the fence has come to an outcome; `failed`: everything was tried once. Throws: refused, or not in time. */
  async follow(withinMs: number): Promise<FenceRecord> {
    const { store } = this.connected;
    const { node } = this.request;
    const startMs = performance.now();
    for (;;) {
      const record = await readRecord(store, node);
      const waitedMs = performance.now() - startMs;
      if (record !== null && this.isLater(record)) {
        const fenced = await this.beforeLater(record);
        if (fenced !== null) return fenced;
      }
      if (record !== null && (record.requestId === this.id || record.id === this.followed?.id)) {
        this.followed = record;
        if (await this.isSettled(record)) return record;
        if (waitedMs > withinMs) throw await this.late(record, withinMs);
      } else await this.lookForAnswer(record, waitedMs, withinMs);
      await pause(100);
    }
  }

  /** Another fence of the node has begun since: of a later request, or of any kind when this one was carried out before. */
  private isLater({ id, requestId, state }: FenceRecord): boolean {
    if (requestId === this.id || state === 'none') return false;
    if (this.followed !== null) return id !== this.followed.id;
    return this.request.kind === 'fence' && requestId !== null && requestId > this.id;
  }

  /** The fence followed so far, if the node was fenced by it; null: the later one is followed. Throws: it ended, and none answers. */
  private async beforeLater(later: FenceRecord): Promise<FenceRecord | null> {
    const { store } = this.connected;
    const { followed } = this;
    if (followed !== null) {
      const events = (await readEvents(store, null, 0)).map(({ event }) => event);
      const about = events.filter(({ fenceId }) => fenceId === followed.id);
      if (about.some(({ kind }) => kind === 'fenced')) return { ...followed, state: 'fenced' };
      const last = about.findLast(({ kind }) => kind === 'fence-failed' || kind === 'fence-cancelled');
      if (last !== undefined) this.output?.line(last.because);
      if (later.requestId === null)
        throw new CommandError(
          exitCodes.failed,
          `${later.target} is not fenced: ${last?.because ?? 'its fence ended'}. ${underWay(later)}`,
        );
    }
    this.output?.line(`A later request (${later.reason}) is carried out. This command follows it.`);
    this.followed = later;
    // Its turn is over: no coordinator may take it after the later one.
    const own = await store.read(this.path);
    if (own.ok) await store.remove(this.path, own.version);
    return null;
  }

  private printSteps(record: FenceRecord): void {
    if (record.id !== this.printedId) this.printed = 0;
    this.printedId = record.id;
    for (const step of record.steps.slice(this.printed))
      this.output?.line(`${clockTime(step.wallMs)}  ${step.by}: ${step.what}: ${step.because}`);
    this.printed = record.steps.length;
  }

  private async isSettled(record: FenceRecord): Promise<boolean> {
    this.printSteps(record);
    if (record.state !== 'failed') return ['cancelled', 'finished', 'closed'].includes(record.state);
    if (performance.now() - this.lookedNextMs < nextMs) return false;
    this.lookedNextMs = performance.now();
    const { store, config } = this.connected;
    const next = nextTry(await readCluster(store, config), config, record);
    return next === null || next.newRound;
  }

  private async late(record: FenceRecord, withinMs: number): Promise<CommandError> {
    const { target } = record;
    return new CommandError(
      exitCodes.timedOut,
      `${target} is not fenced yet after ${seconds(withinMs)}: ${carriedToItsEnd(record)} ${await this.stopHint(record)}`,
    );
  }

  /** What becomes of the request when this command ends now. */
  interrupted(): string {
    const { followed } = this;
    const { node } = this.request;
    if (followed === null)
      return `no coordinator has taken the request; it is taken back. To be sure: nodectl fence explain ${node}`;
    if (!isUnderWay(followed.state)) return `the fence of ${node} has ended: ${followed.state}`;
    return `${node} is not fenced yet: ${carriedToItsEnd(followed)}`;
  }

  /** Of a request that is not taken yet. Throws: refused, or no coordinator has taken it in time (then it is taken back first). */
  private async lookForAnswer(record: FenceRecord | null, waitedMs: number, withinMs: number): Promise<void> {
    const { store, config } = this.connected;
    const own = await store.read(this.path);
    const parsed = own.ok ? parseRecord(OperatorRequest, own.text) : null;
    if (parsed?.ok === true && parsed.record.kind !== 'verify' && parsed.record.refusal !== null) {
      const { guard, because, by } = parsed.record.refusal;
      if (guard !== alreadyFenced)
        throw new CommandError(exitCodes.refused, `refused by ${by}: guard "${guard}": ${because}`);
      this.tell(because, because);
      // What answers it may be newer than what was read before the answer.
      this.followed = (await readRecord(store, this.request.node)) ?? this.gone();
      return;
    }
    const cause = await this.waitsFor(record, waitedMs);
    const pickUp = Math.min(withinMs, Math.max(pickUpMs, 3 * config.keepalive.interval));
    const limitMs = cause === null ? pickUp : withinMs;
    if (!own.ok && own.code === 'no-node' && waitedMs > patienceMs)
      throw new CommandError(
        exitCodes.timedOut,
        `the request is gone: this command has lost its session with ZooKeeper. Whether it was taken: nodectl fence explain ${this.request.node}`,
      );
    if (waitedMs <= limitMs || !own.ok) return;
    const removed = await store.remove(this.path, own.version);
    // It may have been taken in the last moment.
    if (!removed.ok || (await readRecord(store, this.request.node))?.requestId === this.id) return;
    throw new CommandError(
      exitCodes.timedOut,
      `no coordinator took the request within ${seconds(limitMs)}; it was taken back. ${cause === null ? await this.whoRuns() : `${cause}${await this.stopHint(record)}`}`,
    );
  }

  /** How the fence that is under way is stopped; empty: there is none. */
  private async stopHint(record: FenceRecord | null): Promise<string> {
    if (record === null || !isUnderWay(record.state)) return '';
    const { store, config } = this.connected;
    return stopHint(await readCluster(store, config), config, record);
  }

  /** What this request waits for, told once; null: nothing that is known. */
  private async waitsFor(record: FenceRecord | null, waitedMs: number): Promise<string | null> {
    if (record !== null && isUnderWay(record.state)) {
      this.tell(record.id, `${underWay(record)}. ${this.whatBecomes(record)}`);
      this.printSteps(record);
      return `${underWay(record)}. See: nodectl fence explain ${record.target}. `;
    }
    if (waitedMs < patienceMs) return null;
    const read = await this.connected.store.read(tree.fencing);
    const ledger = read.ok && read.text !== '' ? parseRecord(FenceLedger, read.text) : null;
    const entries = ledger?.ok === true ? Object.entries(ledger.record.entries) : [];
    const others = entries.filter(([name, state]) => name !== this.request.node && state === 'intent');
    if (others.length < this.connected.config.fencing.maxConcurrentFences) return null;
    const names = others.map(([name]) => name).join(', ');
    const cause = `A fence of ${names} is under way, and at most ${this.connected.config.fencing.maxConcurrentFences} at once is carried out`;
    this.tell(names, `${cause}. This request waits for it.`);
    return `${cause}.`;
  }

  private whatBecomes({ action, state, target }: FenceRecord): string {
    if (this.request.kind === 'confirm') return 'Your confirmation is looked at when its attempt has ended.';
    if (state === 'failed') return 'Its last attempt failed; your request is carried out instead.';
    if (action === this.request.action)
      return `It answers your request as soon as ${target} is off; if it fails, your request is carried out then.`;
    return `Its action is ${action}, yours is ${this.request.action}: your request is carried out after it.`;
  }

  private tell(mark: string, line: string): void {
    if (!this.told.has(mark)) this.output?.line(line);
    this.told.add(mark);
  }

  private async whoRuns(): Promise<string> {
    const { store, config } = this.connected;
    const { nodes } = await readCluster(store, config);
    const running = nodes.filter(
      ({ name, role, state, session }) =>
        role === 'coordinator' && state === 'run' && session && name !== this.request.node,
    );
    return running.length === 0
      ? `No coordinator runs that could: a node never fences itself. Start noded on another one`
      : `These coordinators run and did not take it: ${running.map(({ name }) => name).join(', ')}. See their logs`;
  }

  private gone(): never {
    throw new CommandError(exitCodes.failed, `the fence record of ${this.request.node} is gone; see: nodectl events`);
  }
}

/** "A fence of node2 is under way since ..., by node3 (its state is "intent"): why". */
export function underWay({ target, fencer, state, reason, steps, verdictWallMs }: FenceRecord): string {
  const since = clockTime(steps[0]?.wallMs ?? verdictWallMs).slice(0, 19);
  const off = isConfirmedOff(state) ? `, and ${target} is off` : '';
  return `A fence of ${target} is under way since ${since}, by ${fencer} (${reason}); its state is "${state}"${off}`;
}

function carriedToItsEnd({ target, fencer, state }: FenceRecord): string {
  return `${fencer} is at it, its state is "${state}". This attempt is carried to its end; after it the fence goes on only if ${target} publishes no keepalives. See: nodectl fence explain ${target}.`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
