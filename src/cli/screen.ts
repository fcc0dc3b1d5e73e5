/** A terminal as a whole: the alternate screen, keys one by one, and everything as it was afterwards, however it ends. */
import { CommandError, exitCodes } from './exit-codes.ts';

const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class Screen {
  private readonly onKey: (key: string) => void;
  private readonly onResize: () => void;
  private shown = '';

  /** Throws a CommandError where there is no terminal. */
  constructor(onKey: (key: string) => void, onResize: () => void) {
    if (!process.stdout.isTTY || !process.stdin.isTTY)
      throw new CommandError(exitCodes.usage, 'this needs a terminal; for programs there is --json');
    this.onKey = onKey;
    this.onResize = onResize;
    process.once('exit', this.close);
    process.stdin.setRawMode(true);
    process.stdin.setEncoding('utf8').on('data', this.pressed).resume();
    process.stdout.on('resize', this.resized);
    process.stdout.write(enter);
  }

  get size(): Size {
    const { columns, rows } = process.stdout;
    return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 };
  }

  /** Lines that are longer than the screen is wide, or more than it is high, are the caller's mistake. */
  show(lines: readonly string[]): void {
    const text = lines.map((line) => `${line}\x1b[K`).join('\r\n');
    if (text === this.shown) return;
    this.shown = text;
    process.stdout.write(`\x1b[H${text}\x1b[J`);
  }

  readonly close = (): void => {
    process.off('exit', this.close);
    process.stdout.off('resize', this.resized);
    process.stdin.off('data', this.pressed).pause();
    process.stdin.setRawMode(false);
    process.stdout.write(leave);
  };

  private readonly pressed = (keys: string | Buffer): void => {
    // eslint-disable-next-line no-control-regex
    for (const [key] of String(keys).matchAll(/\x1b\[[0-9;]*[A-Za-z~]|[^]/gu)) this.onKey(key);
  };

  private readonly resized = (): void => {
    this.shown = '';
    this.onResize();
  };
}
