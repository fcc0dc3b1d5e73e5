/**
 * The log to standard output, by pino. The destination is asynchronous with a bounded buffer: pino's default is
 * synchronous, and a stalled reader of stdout stopped the event loop for 5.8 s (measured). What does not fit is dropped
 * and counted (LOG1).
 */
import { pino } from 'pino';
import type { Log } from '../environment/log.ts';

const bufferMax = 256 * 1024;
/** Keys whose values never reach the log, wherever they stand (S10). The code does not log them; this is the second lock. */
const secretKeys = ['password', 'devicesSealed', 'secrets', 'digest', 'key'];

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface RealLog extends Log {
  setLevel(level: LogLevel): void;
  dropped(): number;
  /** Writes what is buffered; bounded, since a stalled reader may never take it. */
  flush(withinMs: number): Promise<void>;
}

export function realLog(level: LogLevel, name: string, fd = 1): RealLog {
  // With minLength 0 its flush() returns before what is buffered was written (found by the compliance suite).
  const destination = pino.destination({ fd, sync: false, minLength: 1, maxLength: bufferMax });
  let dropped = 0;
  destination.on('drop', () => (dropped += 1));
  destination.on('error', () => undefined); // a closed stdout must not end noded
  const logger = pino(
    {
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretKeys.flatMap((key) => [key, `*.${key}`]), censor: '[secret]' },
    },
    destination,
  );
  return {
    debug: (message, facts = {}) => logger.debug(facts, message),
    info: (message, facts = {}) => logger.info(facts, message),
    warn: (message, facts = {}) => logger.warn(facts, message),
    error: (message, facts = {}) => logger.error(facts, message),
    setLevel: (to) => (logger.level = to),
    dropped: () => dropped,
    flush: (withinMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(resolve, withinMs);
        destination.flush(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
