/** What the benches share: waiting for a healthy cluster, finding a fence, minimum, median and maximum. */
import type { Lab } from '../lab.ts';
import { LabError, pause } from '../lab.ts';
import { ask } from '../status.ts';

export interface Fence {
  readonly id: string;
  readonly node: string;
  readonly verdictAt: number;
  readonly confirmedAt: number | null;
  readonly recordedAt: number | null;
}

export interface Status {
  readonly nodes: readonly {
    readonly name: string;
    readonly state: string;
    readonly keepaliveAgeMs: number;
    readonly throws: number;
  }[];
  readonly primary: { readonly holder: string | null; readonly state: string; readonly epoch: number };
}

export const say = (text: string) => void process.stderr.write(`bench: ${text}\n`);

/** Minimum, median, maximum. */
export function spread(values: readonly number[]): { min: number; median: number; p99: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN);
  return { min: at(0), median: at(0.5), p99: at(0.99), max: Math.round(sorted.at(-1) ?? NaN) };
}

export async function healthy(lab: Lab): Promise<void> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    const status = (await ask(lab, ['status', '--json'])) as Status | null;
    if (status?.nodes.every((node) => node.state === 'run' && node.throws === 0) === true) break;
    if (performance.now() > endMs) throw new LabError('the cluster did not become healthy within 60 s');
    await pause(300);
  }
  await pause(6000); // past the quiet period of whoever just came back
}

/** Several fencers one after another, each with slow BMCs. */
const fencedWithinMs = 240_000;

export async function newFence(lab: Lab, victim: string, seen: Set<string>): Promise<Fence> {
  const endMs = performance.now() + fencedWithinMs;
  while (performance.now() < endMs) {
    const fences = ((await ask(lab, ['fence', 'history', victim, '--json'])) ?? []) as Fence[];
    const fresh = fences.find((fence) => !seen.has(fence.id) && fence.recordedAt !== null);
    if (fresh !== undefined) {
      seen.add(fresh.id);
      return fresh;
    }
    await pause(200);
  }
  throw new LabError(`${victim} was not fenced within ${fencedWithinMs / 1000} s`);
}
