/**
 * The log. LOG1 never blocks and never throws, whoever reads it (or does not). LOG2 one event, one line: a constant
 * message, the facts as fields. LOG3 no secret ever enters it (S10).
 */
export type LogFacts = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  warn(message: string, facts?: LogFacts): void;
  error(message: string, facts?: LogFacts): void;
  /** The newest lines, oldest first, as far as they are kept: for whoever has to find out what happened. */
  recent(most: number): readonly string[];
}
