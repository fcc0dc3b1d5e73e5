/**
 * Watches on which hosts the lab's address lies, 50 times a second, from within each host (S1 as seen by the kernel). A host
 * that loses power loses its watcher too; it is started again when the host is back.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { pause } from './zookeeper.ts';

const script = new URL('../../scripts/lab', import.meta.url).pathname;
const loop =
  'exec 9<> <(:); while :; do [[ $(</proc/net/fib_trie) == *10.77.0.200* ]] && echo "+$EPOCHREALTIME" || echo "-$EPOCHREALTIME"; read -rt 0.02 -u 9; done';
/** Samples further apart than this belong to two stays. */
const oneStayMs = 400;

interface Sample {
  readonly ms: number;
  readonly there: boolean;
}

export class AddressWatch {
  private readonly samples = new Map<string, Sample[]>();
  private readonly children = new Map<string, ChildProcess>();
  private over = false;

  constructor(dir: string, hosts: readonly string[]) {
    for (const host of hosts) void this.watch(dir, host);
  }

  private async watch(dir: string, host: string): Promise<void> {
    const samples: Sample[] = [];
    this.samples.set(host, samples);
    while (!this.isOver()) {
      const child = spawn(script, ['--dir', dir, 'exec', host, '--', 'bash', '-c', loop], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      this.children.set(host, child);
      let rest = '';
      child.stdout.on('data', (chunk: Buffer) => {
        const lines = (rest + chunk.toString('utf8')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) samples.push({ ms: Number(line.slice(1)) * 1000, there: line.startsWith('+') });
      });
      await new Promise((resolve) => child.once('close', resolve));
      if (!this.isOver()) await pause(300);
    }
  }

  private isOver(): boolean {
    return this.over;
  }

  /** Pairs of neighbouring samples of one stay: the host had the address at both, and was not seen without it between. */
  private stays(host: string): [number, number][] {
    const samples = this.samples.get(host) ?? [];
    return samples.flatMap((sample, index): [number, number][] => {
      const before = samples[index - 1];
      const one = before?.there === true && sample.there && sample.ms - before.ms < oneStayMs;
      return one ? [[before.ms, sample.ms]] : [];
    });
  }

  /**
   * Moments at which two hosts had it at once; empty: never. Proof is that their samples cross (one, other, one, other, each
   * within one stay): a role that goes there and back faster than we sample shows only three of them.
   */
  overlaps(): string[] {
    const found: string[] = [];
    for (const one of this.samples.keys())
      for (const other of this.samples.keys()) {
        if (one === other) continue;
        const others = this.stays(other);
        let next = 0; // both lists are in order of time: one walk through each
        for (const [a, c] of this.stays(one)) {
          while ((others[next]?.[0] ?? Infinity) <= a) next += 1;
          const [b, d] = others[next] ?? [Infinity, Infinity];
          if (b < c && c < d) found.push(`${one} at ${a} and ${c}, ${other} at ${b} and ${d}`);
        }
      }
    return found;
  }

  private seenMs(host: string): number[] {
    return (this.samples.get(host) ?? []).filter(({ there }) => there).map(({ ms }) => ms);
  }

  /** Where it lies now: the hosts whose newest sample, at most 300 ms old, has it. */
  now(): string[] {
    return [...this.samples].flatMap(([host, samples]) => {
      const newest = samples.at(-1);
      return newest?.there === true && Date.now() - newest.ms < 300 ? [host] : [];
    });
  }

  /** The longest time since `fromMs` during which no host had it. */
  longestGapMs(fromMs: number): number {
    const all = [...this.samples.keys()].flatMap((host) => this.seenMs(host)).filter((at) => at >= fromMs);
    const ends = [fromMs, ...all.sort((a, b) => a - b), Date.now()];
    return Math.max(...ends.map((at, index) => at - (ends[index - 1] ?? at)));
  }

  /** The last moment at which this host had it. */
  lastMs(host: string): number {
    return this.seenMs(host).at(-1) ?? 0;
  }

  stop(): void {
    this.over = true;
    for (const child of this.children.values()) child.kill('SIGTERM');
  }
}
