/** Tables, colours and JSON. Colour only on a terminal, and never with NO_COLOR. */
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';

export type Colour = 'red' | 'green' | 'yellow' | 'bold' | 'dim';
const codes: Readonly<Record<Colour, number>> = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 };

export interface Output {
  line(text?: string): void;
  json(value: unknown): void;
  table(header: readonly string[], rows: readonly (readonly string[])[]): void;
  paint(colour: Colour, text: string): string;
}

export function createOutput(stream: NodeJS.WriteStream = process.stdout): Output {
  const colours = stream.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
  const paint = (colour: Colour, text: string) => (colours ? `\x1b[${codes[colour]}m${text}\x1b[0m` : text);
  const line = (text = '') => void stream.write(`${text}\n`);
  return {
    line,
    paint,
    json: (value) => line(JSON.stringify(value, null, 2)),
    table(header, rows) {
      const all = [header, ...rows];
      const widths = header.map((_, column) => Math.max(...all.map((row) => widthOf(row[column] ?? ''))));
      const print = (row: readonly string[]) =>
        row
          .map((cell, column) => pad(cell, widths[column] ?? 0))
          .join('  ')
          .trimEnd();
      line(paint('bold', print(header)));
      for (const row of rows) line(print(row));
    },
  };
}

/** Cut to `columns`; what is cut loses its colours. */
export function clip(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let left = columns - 1;
  let cut = '';
  for (const { segment } of new Intl.Segmenter().segment(stripVTControlCharacters(text))) {
    left -= widthOf(segment);
    if (left < 0) break;
    cut += segment;
  }
  return `${cut}…`;
}

export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)));
}

/** Columns on a terminal. Most texts are plain, and a list of a thousand VMs has ten thousand of them. */
function widthOf(text: string): number {
  return /^[ -~]*$/.test(text) ? text.length : stringWidth(text);
}

/** "3.2 s", "-": for tables. */
export function age(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s`;
  if (ms < 120_000) return `${Math.round(ms / 1000)}s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)}m`;
  return `${Math.round(ms / 3_600_000)}h`;
}

/** Local time to the millisecond, for people. */
export function clockTime(wallMs: number): string {
  const at = new Date(wallMs);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
