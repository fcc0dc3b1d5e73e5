/**
 * The log to standard output, by pino. The destination is asynchronous with a bounded buffer: pino's default is
 * synchronous, and a stalled reader of stdout stopped the event loop for 5.8 s (measured). What does not fit is dropped
 * and counted (LOG1). JSON for journals and programs, sentences on a terminal; the same line again and again is counted.
 */
import { isatty } from 'node:tty';
import { pino } from 'pino';
import type { Log, LogFacts } from '../environment/log.ts';
import { humanLine } from './log-line.ts';
import { repeats } from './log-repeats.ts';

const bufferMax = 256 * 1024;
/** The end of the log that is kept in memory, for `nodectl bundle`: so much of it fits into one answer of the API. */
const recentLines = 2000;
const recentChars = 500_000;
const repeatsEveryMs = 10_000;
/** Keys whose values never reach the log, wherever they stand (S10). The code does not log them; this is the second lock. */
const secretKeys = ['password', 'devicesSealed', 'secrets', 'digest', 'key'];

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface RealLog extends Log {
  setLevel(level: LogLevel): void;
  dropped(): number;
  /** The newest lines as JSON, oldest first. */
  recent(most: number): readonly string[];
  /** Writes what is buffered; bounded, since a stalled reader may never take it. */
  flush(withinMs: number): Promise<void>;
}

export function realLog(level: LogLevel, name: string, fd = 1): RealLog {
  // With minLength 0 its flush() returns before what is buffered was written (found by the compliance suite).
  const destination = pino.destination({ fd, sync: false, minLength: 1, maxLength: bufferMax });
  let dropped = 0;
  destination.on('drop', () => (dropped += 1));
  destination.on('error', () => undefined); // a closed stdout must not end noded
  const isForPeople = isatty(fd);
  const recent: string[] = [];
  let chars = 0;
  const out = {
    write(line: string) {
      chars += recent[recent.push(line.trimEnd()) - 1]?.length ?? 0;
      while (recent.length > recentLines || chars > recentChars) chars -= recent.shift()?.length ?? 0;
      destination.write(isForPeople ? humanLine(line) : line);
    },
  };
  const logger = pino(
    {
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`]), censor: '[secret]' },
    },
    out,
  );
  const seen = repeats(() => performance.now());
  const held = new Map<string, { readonly at: LogLevel; readonly message: string; readonly facts: LogFacts }>();
  const write = (at: LogLevel, message: string, facts: LogFacts = {}) => {
    if (!logger.isLevelEnabled(at)) return;
    const line = `${at} ${message} ${identityOf(facts)}`;
    const repeated = seen.pass(line);
    if (repeated === null) {
      held.set(line, { at, message, facts });
      return;
    }
    held.delete(line);
    logger[at](repeated === 0 ? facts : { ...facts, repeated }, message);
  };
  const tellRepeats = (all: boolean) => {
    for (const { line, count } of seen.due(all)) {
      const last = held.get(line);
      held.delete(line);
      if (last !== undefined) logger[last.at]({ ...last.facts, repeated: count }, last.message);
    }
  };
  setInterval(() => tellRepeats(false), repeatsEveryMs).unref();
  return {
    debug: (message, facts) => write('debug', message, facts),
    info: (message, facts) => write('info', message, facts),
    warn: (message, facts) => write('warn', message, facts),
    error: (message, facts) => write('error', message, facts),
    recent: (most) => recent.slice(-most),
    setLevel: (to) => (logger.level = to),
    dropped: () => dropped,
    flush: (withinMs) =>
      new Promise((resolve) => {
        tellRepeats(true);
        const timer = setTimeout(resolve, withinMs);
        destination.flush(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

/** What makes a line the same as another one; what cannot be written as JSON is told apart by nothing. */
function identityOf(facts: LogFacts): string {
  try {
    return JSON.stringify(facts);
  } catch {
    return '';
  }
}
