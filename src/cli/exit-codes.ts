/** Exit codes of nodectl, with the sentence that --help prints. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  refused: 4,
  timedOut: 5,
} as const;

export const exitCodeWords: Readonly<Record<number, string>> = {
  0: 'done',
  1: 'failed',
  2: 'usage or configuration',
  3: 'store unreachable',
  4: 'refused by a safety rule or guard (which one is printed)',
  5: 'timed out, state unknown',
};

/** Thrown to end a command with a code and one sentence for standard error. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
