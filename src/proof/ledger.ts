/** Which seeds were run with which outcome, in a file of one line per event: a campaign that was ended goes on where it was. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { SeedResult } from './seed.ts';

interface Line {
  readonly seed: number;
  readonly nodeHours: number;
  readonly rules: readonly string[];
}

export class Ledger {
  readonly done = new Set<number>();
  nodeHours = 0;
  private readonly file: string | null;
  private waiting: string[] = [];

  /** Null: nothing is kept. Throws when the file holds something else. */
  constructor(file: string | null) {
    this.file = file;
    if (file === null || !existsSync(file)) return;
    for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
      if (text === '') continue;
      const { seed, nodeHours } = read(text, `${file}:${index + 1}`);
      this.done.add(seed);
      this.nodeHours += nodeHours;
    }
  }

  add({ seed, nodeHours, findings }: SeedResult): void {
    this.done.add(seed);
    this.nodeHours += nodeHours;
    const rules = [...new Set(findings.map(({ rule }) => rule))];
    this.waiting.push(JSON.stringify({ seed, nodeHours: Number(nodeHours.toFixed(4)), rules } satisfies Line));
    if (this.waiting.length >= 50) this.flush();
  }

  flush(): void {
    if (this.file !== null && this.waiting.length > 0) appendFileSync(this.file, `${this.waiting.join('\n')}\n`);
    this.waiting = [];
  }
}

function read(text: string, where: string): Line {
  try {
    const line = JSON.parse(text) as Line;
    if (Number.isInteger(line.seed) && typeof line.nodeHours === 'number') return line;
  } catch {
    // said below
  }
  throw new Error(`${where}: this is no ledger of a campaign`);
}
