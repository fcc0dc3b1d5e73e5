#!/usr/bin/env node
/** scripts/scenario: runs, records and shows the stories of test/scenarios. */
import { setMaxListeners } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Scenario } from '../sim/swarm/plan.ts';
import { runPlan } from '../sim/swarm/run.ts';
import type { Trace } from '../sim/trace.ts';
import { firstDifference } from './difference.ts';
import { logOf, unmet, writeLog } from './keep.ts';
import { parseScenario } from './scenario-file.ts';

const usage = `scripts/scenario: the stories of test/scenarios, each a folder of README.md, scenario.yaml and expected.log.

Usage: scripts/scenario list
       scripts/scenario run [NAME|FOLDER ...]     compares what happens with expected.log (default: all of them)
       scripts/scenario record NAME|FOLDER ...    writes expected.log; the diff belongs into the commit that explains it
       scripts/scenario show NAME|FOLDER [--seed N]  prints what the story is about, and what happens

Exit codes: 0 as expected, 1 something else happened or a safety rule was broken, 2 usage
`;

setMaxListeners(1000); // of the agents' ends: Node.js would warn of the eleventh

const stories = new URL('../../test/scenarios/', import.meta.url).pathname;

class UsageError extends Error {}

function names(): string[] {
  return readdirSync(stories, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

function folderOf(name: string): string {
  const found = [join(stories, name), name].find((folder) => existsSync(join(folder, 'scenario.yaml')));
  if (found === undefined) throw new UsageError(`"${name}": no story of that name, and no folder with a scenario.yaml`);
  return found;
}

function read(folder: string): Scenario {
  const parsed = parseScenario(readFileSync(join(folder, 'scenario.yaml'), 'utf8'));
  if (!parsed.ok) throw new UsageError(`${join(folder, 'scenario.yaml')}: ${parsed.because}`);
  return parsed.scenario;
}

/** Runs it, and tells what is not as it should be. */
async function play(name: string, folder: string): Promise<{ readonly trace: Trace; readonly isFine: boolean }> {
  const scenario = read(folder);
  const { world, findings } = await runPlan(scenario);
  const missed = unmet(scenario.expect ?? [], logOf(world.trace));
  for (const { rule, text } of findings) process.stdout.write(`${name}: ${rule}: ${text}\n`);
  for (const wanted of missed) process.stdout.write(`${name}: expected, and it did not happen: ${wanted}\n`);
  return { trace: world.trace, isFine: findings.length === 0 && missed.length === 0 };
}

async function run(name: string): Promise<boolean> {
  const folder = folderOf(name);
  const { trace, isFine } = await play(name, folder);
  const file = join(folder, 'expected.log');
  const difference = firstDifference(existsSync(file) ? readFileSync(file, 'utf8') : '', logOf(trace));
  process.stdout.write(
    difference === null ? `${name}: as expected\n` : `${name}: something else happened\n${difference}\n`,
  );
  return difference === null && isFine;
}

async function record(name: string): Promise<boolean> {
  const folder = folderOf(name);
  const { trace, isFine } = await play(name, folder);
  writeLog(folder, trace);
  process.stdout.write(`${name}: ${join(folder, 'expected.log')} is written\n`);
  return isFine;
}

async function show(name: string, seed: string | undefined): Promise<boolean> {
  const folder = folderOf(name);
  if (seed !== undefined && !/^\d+$/.test(seed)) throw new UsageError(`--seed: "${seed}" is no whole number`);
  const scenario = read(folder);
  const { world, findings } = await runPlan(seed === undefined ? scenario : { ...scenario, seed: Number(seed) });
  const readme = join(folder, 'README.md');
  process.stdout.write(`${existsSync(readme) ? `${readFileSync(readme, 'utf8')}\n` : ''}${logOf(world.trace)}`);
  for (const { rule, text } of findings) process.stdout.write(`${rule} is broken: ${text}\n`);
  return findings.length === 0;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h' }, seed: { type: 'string' } },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  const [command, ...chosen] = positionals;
  if (values.seed !== undefined && command !== 'show') throw new UsageError('--seed is for "show" only');
  const all = async (each: readonly string[], act: (name: string) => Promise<boolean>) => {
    let isFine = true;
    for (const name of each) isFine = (await act(name)) && isFine;
    return isFine ? 0 : 1;
  };
  if (command === 'list' && chosen.length === 0) {
    process.stdout.write(`${names().join('\n')}\n`);
    return 0;
  }
  if (command === 'run') return all(chosen.length === 0 ? names() : chosen, run);
  if (command === 'record' && chosen.length > 0) return all(chosen, record);
  if (command === 'show' && chosen.length === 1) return all(chosen, (name) => show(name, values.seed));
  throw new UsageError(command === undefined ? 'say what to do' : `"${positionals.join(' ')}" is not understood`);
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`scripts/scenario: ${(error as Error).message}\n\n${usage}`);
  process.exitCode = 2;
}
