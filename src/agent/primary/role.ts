/**
 * What this node is with respect to the primary role: the table of core/primary.ts with its history. Every event goes
 * through `on`, also one that is ignored, and enters the ring that `election debug` shows and that outlives this process.
 */
import { step } from '../../core/machine.ts';
import type { PrimaryAction, PrimaryEvent, PrimaryState } from '../../core/primary.ts';
import { primaryTable } from '../../core/primary.ts';
import type { Transition } from '../../core/transitions.ts';
import { findLoop, loopAdvice, loopPauseMs, nameOfCycle, withTransition } from '../../core/transitions.ts';
import { TransitionJournal, transitionsFile } from '../../records/journal.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import type { Context } from '../context.ts';

export class Role {
  state: PrimaryState = 'secondary';
  /** The epoch that this life holds, or held last. */
  epoch = 0;
  ring: Transition[] = [];
  private readonly context: Context;
  private toldLoop = '';
  private saving: Promise<void> = Promise.resolve();

  constructor(context: Context) {
    this.context = context;
  }

  /** Takes up the ring that the former life left. */
  async load(): Promise<void> {
    const text = await this.context.env.journal.read(transitionsFile);
    const parsed = text === null ? null : parseRecord(TransitionJournal, text);
    if (parsed?.ok === true) this.ring = [...parsed.record.ring];
  }

  /** Looks the event up, notes it, and returns what is to be done (nothing when it is ignored). */
  on(event: PrimaryEvent, because: string): readonly PrimaryAction[] {
    const { env, board } = this.context;
    const from = this.state;
    const result = step(primaryTable, from, event);
    const to = result.kind === 'move' ? result.to : from;
    const why = result.kind === 'move' ? because : `${because} (ignored: ${result.because})`;
    this.state = to;
    board.coordinatorState = to;
    this.note({ from, event, to, because: why });
    if (from !== to) env.metrics.count('nodekeeper_primary_transitions_total', { from, to });
    if (from !== to) env.log.info('role', { because: `${from} => ${to}: ${because}`, epoch: this.epoch });
    return result.kind === 'move' ? result.actions : [];
  }

  /** Enters what did not come through the table (a contention lost, an election left) into the ring. */
  note(entry: { readonly from: string; readonly event: string; readonly to: string; readonly because: string }): void {
    const { env } = this.context;
    const last = this.ring.at(-1);
    // What is merely tried again and again for the same reason stands there once.
    if (entry.from === entry.to && last?.event === entry.event && last.because === entry.because.slice(0, 400)) return;
    const times = { wallMs: env.clock.wallMs(), monotonicMs: Math.round(env.clock.monotonicMs()), epoch: this.epoch };
    this.ring = withTransition(this.ring, { ...times, ...entry, because: entry.because.slice(0, 400) });
    this.save();
    this.tellLoop();
  }

  private tellLoop(): void {
    const { env, history, self, board } = this.context;
    const loop = findLoop(this.ring);
    if (loop === null) return;
    // It backs off by itself, so that a better candidate has its chance, and tells it once in a while.
    const pauseMs = loopPauseMs(loop.times);
    board.barredUntilMs = Math.max(board.barredUntilMs, env.clock.monotonicMs() + pauseMs);
    board.barredBecause = 'its role goes round in a loop';
    const mark = `${nameOfCycle(loop.cycle)} ${Math.floor(Math.log2(loop.times))}`;
    if (mark !== this.toldLoop)
      history.happened('election-loop', `${self.name}: ${loopAdvice(loop)} (${loop.cycle.join(' ')})`, {
        node: self.name,
      });
    this.toldLoop = mark;
  }

  /** In the background, newest last: nobody waits for the disk here. */
  private save(): void {
    const { journal } = this.context.env;
    const text = printRecord({ schema: 1, ring: this.ring });
    this.saving = this.saving.then(async () => {
      await journal.write(transitionsFile, text);
    });
  }
}
