/**
 * Many orders, on every core: each child process carries out one after the other. A child that dies or hangs is an answer too, and
 * another one takes its place. Ends early when `over` is aborted, and has told every answer by then.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface SideBySide<Order, Answer> {
  /** The program of a child: it answers each message with one. */
  readonly child: URL;
  /** The next order; null: there is none left. */
  readonly next: () => Order | null;
  readonly jobs: number;
  /** An order that has no answer after so much time of the processor, or of waiting for something else, hangs; its child is killed. */
  readonly hangMs: number;
  readonly over: AbortSignal;
  readonly onAnswer: (answer: Answer) => void;
  /** The answer of a child that died over an order. */
  readonly died: (order: Order, because: string) => Answer;
}

/** How often a child is looked at, in ms. */
const lookMs = 1000;
/** The kernel counts the time of a process in ticks of USER_HZ, 100 in a second. */
const msPerTick = 10;

export async function sideBySide<Order, Answer>(options: SideBySide<Order, Answer>): Promise<void> {
  await Promise.all(Array.from({ length: options.jobs }, () => oneAfterTheOther(options)));
}

async function oneAfterTheOther<Order, Answer>(options: SideBySide<Order, Answer>): Promise<void> {
  const { next, over, onAnswer } = options;
  let child: ChildProcess | null = null;
  for (let order = over.aborted ? null : next(); order !== null; order = over.aborted ? null : next()) {
    child ??= fork(options.child, { execArgv: [] });
    const answer = await ask(child, order, options);
    if (answer === null) break;
    if (answer.isDead) child = null;
    onAnswer(answer.answer);
  }
  child?.kill('SIGKILL');
}

/** Null: it was called off. */
function ask<Order, Answer>(
  child: ChildProcess,
  order: Order,
  { hangMs, over, died }: SideBySide<Order, Answer>,
): Promise<{ readonly answer: Answer; readonly isDead: boolean } | null> {
  return new Promise((resolve) => {
    const end = (result: { readonly answer: Answer; readonly isDead: boolean } | null) => {
      clearInterval(timer);
      child.off('message', onMessage);
      child.off('exit', onExit);
      over.removeEventListener('abort', onOver);
      resolve(result);
    };
    const dead = (because: string) => end({ answer: died(order, because), isDead: true });
    const onMessage = (message: unknown) => end({ answer: message as Answer, isDead: false });
    const onExit = (code: number | null, signal: string | null) => dead(`its process ended: ${signal ?? code ?? '?'}`);
    const onOver = () => {
      child.kill('SIGKILL');
      end(null);
    };
    let spentMs = 0;
    let before = timeOf(child);
    const timer = setInterval(() => {
      const now = timeOf(child);
      // A machine that has no time for it says nothing of the order.
      spentMs += now.isWaitingForTheProcessor ? now.ms - before.ms : lookMs;
      before = now;
      if (spentMs < hangMs) return;
      child.kill('SIGKILL');
      dead(`no end within ${hangMs / 1000} s`);
    }, lookMs);
    child.on('message', onMessage);
    child.on('exit', onExit);
    over.addEventListener('abort', onOver);
    child.send(order as object);
  });
}

/** How much time of the processor a child has had, and whether it could use more right now. Source: proc(5), /proc/PID/stat. */
function timeOf({ pid }: ChildProcess): { readonly ms: number; readonly isWaitingForTheProcessor: boolean } {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return { ms: 0, isWaitingForTheProcessor: false }; // it has just ended
  }
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, user, system] = [fields[0], Number(fields[11]), Number(fields[12])];
  return { ms: (user + system) * msPerTick, isWaitingForTheProcessor: state === 'R' };
}
