/**
 * Watches on which hosts the lab's address lies, 50 times a second, from within each host (S1 as seen by the kernel). A host
 * that loses power loses its watcher too; it is started again when the host is back.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { pause } from './zookeeper.ts';

const script = new URL('../../scripts/lab', import.meta.url).pathname;
const loop =
  'exec 9<> <(:); while :; do t=$EPOCHREALTIME; [[ $(</proc/net/fib_trie) == *10.77.0.200* ]] && echo "+$t $EPOCHREALTIME" || echo "-$t $EPOCHREALTIME"; read -rt 0.02 -u 9; done';
/** Samples further apart than this belong to two stays. */
const oneStayMs = 400;

/**
 * It was looked at somewhere between these two moments: on a busy machine the watcher may be stopped in the middle. (One stamp
 * alone once showed an overlap of 1.7 ms that nothing had caused but the load.)
 */
export interface Sample {
  readonly fromMs: number;
  readonly ms: number;
  readonly there: boolean;
}

/** A host had the address at some moment of each of the two. */
interface Stay {
  readonly first: Sample;
  readonly last: Sample;
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
        for (const line of lines) {
          const [from = 0, to = 0] = line
            .slice(1)
            .split(' ')
            .map((word) => Number(word) * 1000);
          samples.push({ fromMs: from, ms: to, there: line.startsWith('+') });
        }
      });
      await new Promise((resolve) => child.once('close', resolve));
      if (!this.isOver()) await pause(300);
    }
  }

  private isOver(): boolean {
    return this.over;
  }

  /** Moments at which two hosts had it at once; empty: never. */
  overlaps(): string[] {
    return overlapsOf(this.samples);
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

/** Pairs of neighbouring samples of one stay: the host had the address at both, and was not seen without it between. */
function staysOf(samples: readonly Sample[]): Stay[] {
  return samples.flatMap((last, index): Stay[] => {
    const first = samples[index - 1];
    const isOne = first?.there === true && last.there && last.ms - first.fromMs < oneStayMs;
    return isOne ? [{ first, last }] : [];
  });
}

/**
 * Proof of an overlap is that the samples of two hosts cross (one, other, one, other, each within one stay, each certainly
 * after the one before): a role that goes there and back faster than we sample shows only three of them.
 */
export function overlapsOf(samples: ReadonlyMap<string, readonly Sample[]>): string[] {
  const found: string[] = [];
  for (const [one, ownSamples] of samples)
    for (const [other, otherSamples] of samples) {
      if (one === other) continue;
      const others = staysOf(otherSamples);
      let next = 0; // both lists are in order of time: one walk through each
      for (const a of staysOf(ownSamples)) {
        while ((others[next]?.first.fromMs ?? Infinity) <= a.first.ms) next += 1;
        const b = others[next];
        if (b !== undefined && b.first.ms < a.last.fromMs && a.last.ms < b.last.fromMs)
          found.push(`${one} at ${a.first.ms} and ${a.last.fromMs}, ${other} at ${b.first.ms} and ${b.last.fromMs}`);
      }
    }
  return found;
}
