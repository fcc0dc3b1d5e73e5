/**
 * The machine's disk as the agent uses it: a disk that hangs holds nobody up (S7). Each call ends within `diskDeadlineMs`; while one
 * hangs the others fail at once. Per file one write is under way and one waits: a newer text replaces the waiting one, so that the
 * disk has the newest when it answers again, and memory has a bound. Per file one read is under way: each that hangs keeps one of
 * the few threads, and whoever reads meanwhile waits for the same one.
 */
import { inWords } from '../core/decision.ts';
import type { Clock } from '../environment/clock.ts';
import type { Journal } from '../environment/journal.ts';

export const diskDeadlineMs = 3000;
/** A disk that hangs gets no more than this for each further read. */
const hungDeadlineMs = 100;

interface Waiting {
  text: string;
  readonly written: Promise<string | null>;
}

export class Disk implements Journal {
  /** Why nothing can be written right now; null: the disk answers. */
  trouble: string | null = null;
  private readonly journal: Journal;
  private readonly clock: Clock;
  /** Hears it when the disk does not answer, and (null) when it answers again. */
  private readonly onChange: (trouble: string | null) => void;
  private readonly underWay = new Map<string, Promise<string | null>>();
  private readonly waiting = new Map<string, Waiting>();
  private readonly reading = new Map<string, Promise<string | null>>();

  constructor(journal: Journal, clock: Clock, onChange: (trouble: string | null) => void) {
    this.journal = journal;
    this.clock = clock;
    this.onChange = onChange;
  }

  /** Null too when it does not answer in time: `trouble` says so then. */
  read(name: string): Promise<string | null> {
    return this.inTime(this.reading.get(name) ?? this.beginRead(name), `${name} was not read`, () => null);
  }

  write(name: string, text: string): Promise<string | null> {
    const written = this.newest(name, text);
    if (this.trouble !== null) return Promise.resolve(this.trouble);
    return this.inTime(written, `${name} was not written`, (because) => because);
  }

  private beginRead(name: string): Promise<string | null> {
    const read = this.journal.read(name);
    this.reading.set(name, read);
    void read.then(() => {
      if (this.reading.get(name) === read) this.reading.delete(name);
    });
    return read;
  }

  private newest(name: string, text: string): Promise<string | null> {
    const before = this.underWay.get(name);
    if (before === undefined) return this.begin(name, text);
    const waits = this.waiting.get(name);
    if (waits !== undefined) {
      waits.text = text;
      return waits.written;
    }
    const written = before.then(() => {
      const latest = this.waiting.get(name)?.text ?? text;
      this.waiting.delete(name);
      return this.begin(name, latest);
    });
    this.waiting.set(name, { text, written });
    return written;
  }

  private begin(name: string, text: string): Promise<string | null> {
    this.reading.delete(name); // a read that began before tells nothing of this text
    const written = this.journal.write(name, text).then((result) => {
      if (this.underWay.get(name) === written) this.underWay.delete(name);
      return result;
    });
    this.underWay.set(name, written);
    return written;
  }

  private async inTime<T>(work: Promise<T>, what: string, late: (because: string) => T): Promise<T> {
    const over = new AbortController();
    const deadlineMs = this.trouble === null ? diskDeadlineMs : hungDeadlineMs;
    let isDone = false;
    const done = work.then((value) => {
      isDone = true;
      over.abort();
      this.tell(null);
      return value;
    });
    const tooLate = this.clock.sleep(deadlineMs, over.signal).then(() => {
      if (isDone) return done;
      const because = `the disk does not answer: ${what} within ${inWords(deadlineMs)}`;
      this.tell(because);
      return late(because);
    });
    return Promise.race([done, tooLate]);
  }

  private tell(trouble: string | null): void {
    if ((this.trouble === null) === (trouble === null)) return;
    this.trouble = trouble;
    this.onChange(trouble);
  }
}
