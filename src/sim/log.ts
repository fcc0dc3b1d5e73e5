/** A noded's log in the simulator: lines of the world's trace, for as long as its process lives. */
import type { Log, LogFacts } from '../environment/log.ts';
import type { SimProcess } from './process.ts';
import type { Trace } from './trace.ts';
import { printLine } from './trace.ts';

export function simLog(name: string, process: SimProcess, trace: Trace, least: 'debug' | 'info'): Log {
  const write = (level: string, message: string, facts: LogFacts = {}) => {
    if (process.alive) trace.log(name, level, message, facts);
  };
  return {
    debug: (message, facts) => (least === 'debug' ? write('debug', message, facts) : undefined),
    info: (message, facts) => write('info', message, facts),
    warn: (message, facts) => write('warn', message, facts),
    error: (message, facts) => write('error', message, facts),
    recent: (most) =>
      trace.lines
        .filter((line) => line.node === name)
        .slice(-most)
        .map((line) => printLine(line)),
  };
}
