/**
 * A source that can hang (a resolver, a disk): one question to it at a time, however many ask, for what hangs keeps one of the few
 * threads of Node.js until it answers. Nobody waits longer than said, and its last good answer is used while it is late (S7, S8).
 */
export interface Source<T> {
  /** Starts the question; what it answers too late is kept for the next one who asks. */
  ask(): Promise<T>;
  /** Whether this failure is an answer ("no such name"): it is passed on, not bridged by the last good answer. */
  isAnswer(error: unknown): boolean;
}

export interface Limits {
  /** Without a last good answer it is waited for so long. */
  readonly deadlineMs: number;
  /** With one, counted from the question. */
  readonly patienceMs: number;
  /** After so long it is told. */
  readonly tellAfterMs: number;
}

/** `because` null: it answers again. */
export type OnTrouble = (because: string | null) => void;

export class LastGood<T> {
  private readonly limits: Limits;
  private readonly onTrouble: OnTrouble;
  private last: { readonly value: T } | null = null;
  private question: { readonly answer: Promise<T>; readonly askedMs: number } | null = null;
  private isTroubled = false;

  constructor(limits: Limits, onTrouble: OnTrouble) {
    this.limits = limits;
    this.onTrouble = onTrouble;
  }

  /** Settles within the deadline, always. */
  async get(source: Source<T>, deadlineMs = this.limits.deadlineMs): Promise<T> {
    this.question ??= this.begin(source);
    const { last } = this;
    const { answer, askedMs } = this.question;
    const waitMs = last === null ? deadlineMs : askedMs + this.limits.patienceMs - performance.now();
    try {
      return await within(answer, Math.max(0, Math.min(deadlineMs, waitMs)));
    } catch (error) {
      if (last === null || source.isAnswer(error)) throw error;
      return last.value;
    }
  }

  isUnderWay(): boolean {
    return this.question !== null;
  }

  private begin(source: Source<T>): { readonly answer: Promise<T>; readonly askedMs: number } {
    const { tellAfterMs } = this.limits;
    const timer = setTimeout(() => this.tell(`no answer within ${tellAfterMs} ms`), tellAfterMs);
    timer.unref();
    const answer = source.ask().then(
      (value) => {
        this.last = { value };
        this.over(timer, null);
        return value;
      },
      (error: unknown) => {
        this.over(timer, source.isAnswer(error) ? null : (error as Error).message);
        throw error;
      },
    );
    answer.catch(() => undefined); // whoever asked may be gone
    return { answer, askedMs: performance.now() };
  }

  private over(timer: NodeJS.Timeout, trouble: string | null): void {
    clearTimeout(timer);
    this.question = null;
    this.tell(trouble);
  }

  private tell(trouble: string | null): void {
    const use = this.last === null ? '' : '; the last good answer is used';
    if (this.isTroubled !== (trouble !== null)) this.onTrouble(trouble === null ? null : `${trouble}${use}`);
    this.isTroubled = trouble !== null;
  }
}

/** Rejects when the work has not ended in time; the work itself goes on. */
export async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(ms)} ms`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}
