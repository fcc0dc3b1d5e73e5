/** A probe of the lab's address from a fourth host (the management side): one ping every 2 ms, with the time of each answer. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Lab } from '../lab.ts';
import { virtualAddress } from '../lab.ts';

const periodSeconds = '0.002';

export class Probe {
  private readonly child: ChildProcess;
  private text = '';

  constructor(lab: Lab) {
    const [program, args] = lab.inside('ping', '-n', '-D', '-i', periodSeconds, '-s', '8', '-W', '1', virtualAddress);
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.child.stdout?.on('data', (chunk: Buffer) => (this.text += chunk.toString('utf8')));
  }

  /** Wall times (ms) of the answers so far. */
  answersMs(): number[] {
    return [...this.text.matchAll(/^\[(\d+\.\d+)\] \d+ bytes from /gm)].map((match) => Number(match[1]) * 1000);
  }

  /** The longest silence that lies at least partly between the two wall times. */
  silence(fromMs: number, toMs: number): { readonly ms: number; readonly fromMs: number; readonly toMs: number } {
    let worst = { ms: 0, fromMs: 0, toMs: 0 };
    const answers = this.answersMs();
    for (const [index, at] of answers.entries()) {
      const before = answers[index - 1];
      if (before === undefined || at < fromMs || before > toMs) continue;
      if (at - before > worst.ms) worst = { ms: at - before, fromMs: before, toMs: at };
    }
    return worst;
  }

  stop(): void {
    this.child.kill('SIGTERM');
  }
}
