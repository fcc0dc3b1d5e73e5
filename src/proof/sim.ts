#!/usr/bin/env node
/** scripts/sim: campaigns of random stories over the production agents. */
import { mkdtempSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { planOf } from '../sim/swarm/plan.ts';
import type { PlanOptions } from '../sim/swarm/plan.ts';
import { runPlan } from '../sim/swarm/run.ts';
import { campaign } from './campaign.ts';
import { keepScenario } from './keep.ts';
import { Ledger } from './ledger.ts';
import type { SeedResult } from './seed.ts';
import { shortest } from './seed.ts';

const usage = `scripts/sim: random stories over the production agents, under virtual time and every safety rule.

Usage: scripts/sim [--seeds N|FROM-TO] [--nodes N] [--faults N] [--hours H] [--jobs N] [--ledger FILE] [--keep FOLDER]

  --seeds N|FROM-TO  which stories; N alone: 1 to N (default: 200; with --hours: no end)
  --nodes N          nodes of each cluster (default: 2 to 6, by chance)
  --faults N         faults of each story (default: 3 to 12, by chance)
  --hours H          ends after H hours
  --jobs N           processes at once (default: the number of cores)
  --ledger FILE      remembers what was run; the same command goes on where it ended
  --keep FOLDER      where failing stories are kept, each as short as it can be (default: a new folder in ${tmpdir()})

A failing story is run again by --seeds SEED-SEED. Exit codes: 0 no rule was broken, 1 one was, 2 usage, 130 interrupted
`;

class UsageError extends Error {}

interface Wanted {
  readonly from: number;
  readonly to: number;
  readonly plan: PlanOptions;
  readonly hours: number | null;
  readonly jobs: number;
  readonly ledger: string | null;
  readonly keep: string | null;
}

function wholeNumber(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || number > most)
    throw new UsageError(`--${name}: "${text}" is no whole number from 1 to ${most}`);
  return number;
}

function read(argv: readonly string[]): Wanted {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...argv],
    options: {
      ...{ seeds: text, nodes: text, faults: text, hours: text, jobs: text, ledger: text, keep: text },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const hours = values.hours === undefined ? null : Number(values.hours);
  if (hours !== null && !(hours > 0)) throw new UsageError(`--hours: "${values.hours ?? ''}" is no number of hours`);
  const range = /^(?:(\d+)-)?(\d+)$/.exec(values.seeds ?? (hours === null ? '200' : String(Number.MAX_SAFE_INTEGER)));
  if (range === null) throw new UsageError(`--seeds: "${values.seeds ?? ''}" is neither N nor FROM-TO`);
  const [from, to] = [Number(range[1] ?? '1'), Number(range[2])];
  if (from > to) throw new UsageError(`--seeds: ${from} is more than ${to}`);
  const nodes = wholeNumber('nodes', values.nodes, 1000);
  if (nodes === 1) throw new UsageError('--nodes: a cluster has at least 2 nodes');
  const faults = wholeNumber('faults', values.faults, 1000);
  return {
    ...{ from, to, hours },
    plan: { ...(nodes === undefined ? {} : { nodes }), ...(faults === undefined ? {} : { faults }) },
    jobs: wholeNumber('jobs', values.jobs, 256) ?? availableParallelism(),
    ledger: values.ledger ?? null,
    keep: values.keep ?? null,
  };
}

/** Shortens a failing story, keeps it, and says how to see it again. */
async function keep(wanted: Wanted, folder: string, { seed, findings }: SeedResult): Promise<void> {
  const [first] = findings;
  if (first === undefined) return;
  const lines = findings.map(({ rule, text }) => `  ${rule}: ${text}`).join('\n');
  process.stdout.write(`\nseed ${seed} breaks a rule:\n${lines}\n`);
  if (first.rule === 'crash') return;
  const story = await shortest(planOf(seed, wanted.plan), first.rule);
  const { world, findings: left } = await runPlan(story);
  const place = join(folder, `seed-${seed}`);
  const said = left.map(({ rule, text }) => `${rule}: ${text}`).join('\n');
  keepScenario(place, `# seed ${seed}\n\nFound by a campaign.\n${said}\n`, story, world.trace);
  process.stdout.write(`  in ${story.steps.length} steps: ${place}\n  again: scripts/sim --seeds ${seed}-${seed}\n`);
}

class Progress {
  private readonly startMs = Date.now();
  private ran = 0;
  private failed = 0;
  private readonly settled: number[] = [];
  private shownMs = 0;

  add(result: SeedResult): void {
    this.ran += 1;
    if (result.findings.length > 0) this.failed += 1;
    if (result.settledAfterMs !== null) this.settled.push(result.settledAfterMs);
    if (!process.stderr.isTTY || Date.now() - this.shownMs < 500) return;
    this.shownMs = Date.now();
    process.stderr.write(`\r${this.line()} `);
  }

  line(): string {
    const seconds = (Date.now() - this.startMs) / 1000;
    return `${this.ran} stories, ${this.failed} broke a rule, ${(this.ran / seconds).toFixed(1)} a second`;
  }

  summary(nodeHours: number): string {
    const sorted = [...this.settled].sort((a, b) => a - b);
    const part = (share: number) => `${((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) / 1000).toFixed(0)} s`;
    return [
      this.line(),
      `well again after ${part(0.5)} at the median, ${part(0.99)} in 99 of 100, ${part(1)} at most`,
      `${nodeHours.toFixed(0)} virtual node-hours in all`,
    ].join('\n');
  }
}

async function main(): Promise<number> {
  const wanted = read(process.argv.slice(2));
  const ledger = new Ledger(wanted.ledger);
  const over = new AbortController();
  process.on('SIGINT', () => over.abort());
  process.on('SIGTERM', () => over.abort());
  const endMs = wanted.hours === null ? Infinity : Date.now() + wanted.hours * 3_600_000;
  const progress = new Progress();
  const found: SeedResult[] = [];
  let seed = wanted.from - 1;
  const next = () => {
    if (Date.now() >= endMs) return null;
    do seed += 1;
    while (seed <= wanted.to && ledger.done.has(seed));
    return seed <= wanted.to ? seed : null;
  };
  await campaign({
    next,
    jobs: wanted.jobs,
    plan: wanted.plan,
    over: over.signal,
    onResult(result) {
      ledger.add(result);
      progress.add(result);
      if (result.findings.length > 0) found.push(result);
    },
  });
  ledger.flush();
  if (process.stderr.isTTY) process.stderr.write('\n');
  process.stdout.write(`${progress.summary(ledger.nodeHours)}\n`);
  const folder = found.length === 0 ? '' : (wanted.keep ?? mkdtempSync(join(tmpdir(), 'nodekeeper-stories-')));
  for (const result of found) await keep(wanted, folder, result);
  return over.signal.aborted ? 130 : found.length > 0 ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`scripts/sim: ${(error as Error).message}\n\n${usage}`);
  process.exitCode = 2;
}
