/** What holds a fence back: guards, told once for as long as they hold for the same reason; shown in every status (S11). */
import type { Refusal } from '../../core/guards.ts';
import { printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import type { Context } from '../context.ts';
import type { Asking, Trigger } from './fence-intent.ts';

export class Refusals {
  private readonly context: Context;
  private readonly told = new Map<string, string>();
  private readonly toldRequests = new Set<string>();

  constructor(context: Context) {
    this.context = context;
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
      const passing = held.every((refusal) => refusal.guard === 'concurrency' || refusal.guard === 'contact');
      if (passing) return; // it is carried out as soon as its turn comes
      const first = held[0];
      if (first === undefined || this.toldRequests.has(trigger.id)) return;
      await this.refuse(trigger, first, `fence of ${target} refused: ${because}`);
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

  /** An operator is told at once why it is not done. */
  async refuse(trigger: Asking, { guard, because }: Refusal, sentence: string): Promise<void> {
    const { env, self, history } = this.context;
    this.toldRequests.add(trigger.id);
    const refusal = { by: self.name, guard, because };
    const path = `${tree.requests}/${trigger.id}`;
    await env.store.write(path, printRecord({ ...trigger.request, refusal }), trigger.version);
    history.happened('request-refused', sentence, { node: trigger.request.node });
  }
}
