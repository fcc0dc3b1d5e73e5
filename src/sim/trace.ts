/** What happened in a world, one line per event in fixed columns: time, node, event, why. Its hash proves determinism. */
import type { LogFacts } from '../environment/log.ts';
import type { VirtualTime } from './clock.ts';

export interface TraceLine {
  readonly atMs: number;
  readonly node: string;
  readonly event: string;
  readonly because: string;
  readonly facts: LogFacts;
}

export class Trace {
  readonly lines: TraceLine[] = [];
  /** Called with each line as it is written: the checkers and the stories that kill at a certain step listen here. */
  onLine: (line: TraceLine) => void = () => undefined;
  private readonly time: VirtualTime;

  constructor(time: VirtualTime) {
    this.time = time;
  }

  line(node: string, event: string, because: string, facts: LogFacts = {}): void {
    const written = { atMs: this.time.nowMs, node, event, because, facts };
    this.lines.push(written);
    this.onLine(written);
  }

  log(node: string, level: string, message: string, facts: LogFacts): void {
    const { because, ...rest } = facts;
    this.line(
      node,
      level === 'info' ? message : `${level}: ${message}`,
      typeof because === 'string' ? because : '',
      rest,
    );
  }

  /** The whole story as text. */
  text(): string {
    return this.lines.map((line) => printLine(line)).join('\n');
  }

  /** The lines whose event is this one (of any level). */
  of(event: string): TraceLine[] {
    return this.lines.filter((line) => line.event === event || line.event.endsWith(`: ${event}`));
  }
}

/** LOG2: one event, one line, whatever its reason holds. */
export function printLine({ atMs, node, event, because: reason }: TraceLine): string {
  const because = reason.replaceAll('\n', '\\n');
  return `${(atMs / 1000).toFixed(3).padStart(10)} ${node.padEnd(8)} ${event}${because === '' ? '' : ` | ${because}`}`;
}
