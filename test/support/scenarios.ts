/** A scenario is a folder: README.md (what and why), scenario.yaml (cluster and story), expected.log (what the cluster did). */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { parseDuration } from '../../src/config/duration.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import type { ClusterShape } from '../../src/sim/cluster.ts';
import { runStory } from '../../src/sim/scenario.ts';
import { printLine } from '../../src/sim/trace.ts';
import { World } from '../../src/sim/world.ts';

const folder = new URL('../scenarios/', import.meta.url).pathname;

interface ScenarioFile {
  readonly cluster: ClusterShape;
  readonly seed?: number;
  readonly boot?: string;
  readonly story: readonly { readonly at: string; readonly do: string }[];
  readonly until: string;
}

export function scenarioNames(): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** Runs a scenario; `seed` overrides its own. */
export async function runScenario(name: string, seed?: number): Promise<World> {
  const file = parse(readFileSync(join(folder, name, 'scenario.yaml'), 'utf8')) as ScenarioFile;
  const ms = (text: string) => {
    const parsed = parseDuration(text);
    if (parsed === null) throw new Error(`${name}: "${text}" is no duration`);
    return parsed;
  };
  const world = new World({
    seed: seed ?? file.seed ?? 1,
    nodes: simCluster(file.cluster),
    bootMs: ms(file.boot ?? '5s'),
    storeOnCoordinators: file.cluster.storeOnCoordinators ?? false,
  });
  await runStory(world, {
    steps: file.story.map((step) => ({ atMs: ms(step.at), command: step.do })),
    untilMs: ms(file.until),
  });
  return world;
}

/** The log that is compared: every line but the verifier's (it has a suite of its own). */
export function logOf(world: World): string {
  const lines = world.trace.lines.filter((line) => !/fencing (verified|would fail)|^verification$/.test(line.event));
  return `${lines.map((line) => printLine(line)).join('\n')}\n`;
}

/** The golden log; written only by `scripts/test --rewrite` (NODEKEEPER_REWRITE=1): a missing one is a failure. */
export function expectedLog(name: string, log: string): string {
  const path = join(folder, name, 'expected.log');
  if (process.env['NODEKEEPER_REWRITE'] === '1') writeFileSync(path, log);
  return readFileSync(path, 'utf8');
}

export function scenarioReadme(name: string): string {
  return readFileSync(join(folder, name, 'README.md'), 'utf8');
}
