#!/usr/bin/env node
/** scripts/bench: measures on the lab and prints; it judges nothing. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { power, hang } from './faults.ts';
import { Lab, LabError, pause } from './lab.ts';
import { ask } from './status.ts';
import { down, up } from './up.ts';

interface Fence {
  readonly id: string;
  readonly node: string;
  readonly verdictAt: number;
  readonly confirmedAt: number | null;
  readonly recordedAt: number | null;
}

interface Status {
  readonly nodes: readonly {
    readonly name: string;
    readonly state: string;
    readonly keepaliveAgeMs: number;
    readonly throws: number;
  }[];
}

const usage = `Usage: scripts/bench failover [--runs N] [--json]     plug pulled, BMC answering: what each phase takes
       scripts/bench keepalive [--seconds N] [--json]  every subsystem hung: by how much the beat is late
`;
const say = (text: string) => void process.stderr.write(`bench: ${text}\n`);

/** Minimum, median, maximum. */
function spread(values: readonly number[]): { min: number; median: number; p99: number; max: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN);
  return { min: at(0), median: at(0.5), p99: at(0.99), max: Math.round(sorted.at(-1) ?? NaN) };
}

async function failover(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  await up(lab, {
    nodes: 3,
    zookeepers: 3,
    set: ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'],
    say,
  });
  const phases: Record<string, number[]> = {
    'last keepalive -> verdict': [],
    'verdict -> power confirmed off': [],
    'confirmed -> recorded': [],
    'verdict -> recorded': [],
  };
  const seen = new Set<string>();
  for (let run = 1; run <= runs; run += 1) {
    const victim = `node${(run % 3) + 1}`;
    await healthy(lab);
    await power(lab, victim, 'off');
    const status = (await ask(lab, ['status', '--json'])) as Status | null;
    const lastMs = Date.now() - (status?.nodes.find((node) => node.name === victim)?.keepaliveAgeMs ?? NaN);
    const fence = await newFence(lab, victim, seen);
    const { verdictAt, confirmedAt, recordedAt } = fence;
    if (confirmedAt === null || recordedAt === null) throw new LabError(`run ${run}: ${victim} was not fenced`);
    phases['last keepalive -> verdict']?.push(verdictAt - lastMs);
    phases['verdict -> power confirmed off']?.push(confirmedAt - verdictAt);
    phases['confirmed -> recorded']?.push(recordedAt - confirmedAt);
    phases['verdict -> recorded']?.push(recordedAt - verdictAt);
    say(`run ${run} of ${runs}: ${victim}: verdict -> recorded ${recordedAt - verdictAt} ms`);
  }
  return Object.fromEntries(Object.entries(phases).map(([name, values]) => [name, spread(values)]));
}

async function healthy(lab: Lab): Promise<void> {
  const endMs = performance.now() + 60_000;
  for (;;) {
    const status = (await ask(lab, ['status', '--json'])) as Status | null;
    if (status?.nodes.every((node) => node.state === 'run' && node.throws === 0) === true) break;
    if (performance.now() > endMs) throw new LabError('the cluster did not become healthy within 60 s');
    await pause(300);
  }
  await pause(6000); // past the quiet period of whoever just came back
}

async function newFence(lab: Lab, victim: string, seen: Set<string>): Promise<Fence> {
  const endMs = performance.now() + 60_000;
  while (performance.now() < endMs) {
    const fences = ((await ask(lab, ['fence', 'history', victim, '--json'])) ?? []) as Fence[];
    const fresh = fences.find((fence) => !seen.has(fence.id) && fence.recordedAt !== null);
    if (fresh !== undefined) {
      seen.add(fresh.id);
      return fresh;
    }
    await pause(200);
  }
  throw new LabError(`${victim} was not fenced within 60 s`);
}

async function keepalive(lab: Lab, seconds: number): Promise<Record<string, unknown>> {
  const set = [
    'keepalive.interval=1s',
    'detection.savingThrows=3',
    'log.level=debug',
    'subsystems.ceph.enabled=true',
    'subsystems.libvirt.enabled=true',
    'subsystems.ipmi.enabled=true',
  ];
  await up(lab, {
    nodes: 3,
    zookeepers: 3,
    set: [...set, 'subsystems.commands=[{name: disk, command: [check-disk]}]'],
    say,
  });
  for (const subsystem of ['ceph', 'libvirt', 'ipmi', 'check-disk']) await hang(lab, 'node1', subsystem, true);
  const file = lab.path('log', 'noded-node1.log');
  const from = readFileSync(file, 'utf8').length;
  say(`every subsystem of node1 hangs and ignores SIGTERM; ${seconds} s`);
  await pause(seconds * 1000);
  const beats = readFileSync(file, 'utf8')
    .slice(from)
    .split('\n')
    .filter((line) => line.includes('"msg":"beat"'))
    .map((line) => JSON.parse(line) as { lateMs: number; tookMs: number });
  const fences = ((await ask(lab, ['fence', 'history', '--json'])) ?? []) as Fence[];
  return {
    beats: beats.length,
    'beat late (ms)': spread(beats.map((beat) => beat.lateMs)),
    'write acknowledged after (ms)': spread(beats.map((beat) => beat.tookMs)),
    fences: fences.length,
  };
}

async function main(): Promise<number> {
  const flags = {
    runs: { type: 'string', default: '10' },
    seconds: { type: 'string', default: '120' },
    json: { type: 'boolean', default: false },
  } as const;
  const { values, positionals } = parseArgs({ options: flags, allowPositionals: true });
  const [what] = positionals;
  const runs = Number(values.runs);
  const seconds = Number(values.seconds);
  if (
    (what !== 'failover' && what !== 'keepalive') ||
    !(runs >= 1 && runs <= 1000) ||
    !(seconds >= 1 && seconds <= 3600)
  ) {
    process.stderr.write(usage);
    return 2;
  }
  const lab = new Lab(process.env['NODEKEEPER_LAB'] ?? '/tmp/nodekeeper-bench');
  await down(lab, false);
  try {
    const result = what === 'failover' ? await failover(lab, runs) : await keepalive(lab, seconds);
    if (values.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
    else
      for (const [name, value] of Object.entries(result))
        process.stdout.write(`${name.padEnd(34)} ${JSON.stringify(value)}\n`);
    return 0;
  } finally {
    await down(lab, false);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  const wrongWords = error instanceof TypeError && 'code' in error;
  if (wrongWords) process.stderr.write(usage);
  process.exitCode = wrongWords ? 2 : 1;
}
