/**
 * What holds a fence back: guards, told once for as long as they hold for the same reason; shown in every status (S11).
 *
 * A request that is refused for all is marked as refused by one versioned write. Whoever takes a request checks its version in
 * the transaction that takes it, so after that write no coordinator takes it, whatever becomes of nodectl. What only
 * concerns the refusing coordinator, or this moment, marks nothing: another coordinator, or the next look, takes the request.
 *
 *   reason           | what it is about                          | a fence       | a confirmation
 *   already-fenced   | the fence that was asked for is done      | for all       | for all
 *   alive            | the node publishes keepalives             | -             | for all
 *   power            | a device of the node reads on             | -             | for all
 *   incarnation      | the node has come back since              | -             | for all
 *   self             | the coordinator is the node               | left to others| left to others
 *   session, contact | the coordinator and the store             | left to others| left to others
 *   pause, quiet     | the coordinator was paused, or has just started | left to others | -
 *   stepped-down     | the coordinator is itself being fenced    | left to others| left to others
 *   concurrency      | another fence is under way                | waits         | -
 *
 * A coordinator whose way to the device is cut reads no power: that is no refusal (power `unknown`), and no reading of on.
 * All other guards are the operator's to overrule and refuse no request.
 */
import type { Refusal } from '../../core/guards.ts';
import { isFinal } from '../../core/guards.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { OperatorRequest } from '../../records/request.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Asking, Trigger } from './fence-intent.ts';

/** Refused requests that are remembered as told. */
const toldMax = 200;

export class Refusals {
  private readonly context: Context;
  private readonly told = new Map<string, string>();
  private readonly toldRequests = new Set<string>();

  constructor(context: Context) {
    this.context = context;
  }

  /** Nodes that were removed, and requests told long ago: each of them has a nodectl that waits for seconds. */
  forgetStrangers(isKnown: (name: string) => boolean): void {
    for (const name of [...this.told.keys()]) if (!isKnown(name)) this.told.delete(name);
    for (const id of this.toldRequests) if (this.toldRequests.size > toldMax) this.toldRequests.delete(id);
  }

  /** The fence of `target` is begun. */
  pass(target: string): void {
    this.told.delete(target);
    this.context.board.heldBack.delete(target);
  }

  /** All guards let it pass, and the intent was not written. */
  notWritten(target: string, code: string, because: string): void {
    const { env, board } = this.context;
    board.heldBack.set(target, `store: the intent could not be written: ${because}`);
    const mark = `store ${because}`;
    if (this.told.get(target) !== mark) env.log.warn('fence not begun', { node: target, code, because });
    this.told.set(target, mark);
  }

  async tell(target: string, trigger: Trigger, held: readonly Refusal[]): Promise<void> {
    const mark = held.map((refusal) => refusal.guard).join(' ');
    const because = held.map((refusal) => `${refusal.guard}: ${refusal.because}`).join('; ');
    if (trigger.kind === 'request') {
      const passing = held.every(({ guard }) => guard === 'concurrency' || guard === 'contact');
      if (passing) return; // it is carried out as soon as its turn comes
      const first = held.find(isFinal) ?? held[0];
      if (first !== undefined) await this.refuse(trigger, first, `fence of ${target} refused: ${because}`);
      return;
    }
    this.context.board.heldBack.set(target, because);
    if (this.told.get(target) === mark) return;
    this.told.set(target, mark);
    for (const { guard } of held) this.context.env.metrics.count('nodekeeper_guard_refusals_total', { guard });
    this.context.history.happened('guard-held', `${target} is not fenced: ${because}`, {
      node: target,
      evidence: { guards: mark },
    });
  }

  /** An operator is told at once why it is not done; what only concerns this coordinator is left to the others. */
  async refuse(trigger: Asking, refusal: Refusal, sentence: string): Promise<void> {
    const { self, history, env } = this.context;
    const { node } = trigger.request;
    if (!isFinal(refusal)) {
      if (this.toldRequests.has(trigger.id)) return;
      this.toldRequests.add(trigger.id);
      const because = `${sentence}; ${self.name} leaves the request to the other coordinators`;
      env.log.info('request left to others', { node, guard: refusal.guard, because });
      return;
    }
    if (await this.marksRefused(trigger, refusal)) history.happened('request-refused', sentence, { node });
  }

  /** By version: of several coordinators one refuses. False: another was faster, nodectl has ended, or the store is away. */
  private async marksRefused(trigger: Asking, { guard, because }: Refusal): Promise<boolean> {
    const { env, self } = this.context;
    const path = `${tree.requests}/${trigger.id}`;
    const refusal = { by: self.name, guard, because };
    const done = await env.store.write(path, printRecord({ ...trigger.request, refusal }), trigger.version);
    if (done.ok || done.code !== 'unclear') return done.ok;
    // The answer was lost; the write may not have been.
    const read = await env.store.read(path);
    const parsed = read.ok ? parseRecord(OperatorRequest, read.text) : null;
    return parsed?.ok === true && parsed.record.kind !== 'verify' && parsed.record.refusal?.by === self.name;
  }
}
