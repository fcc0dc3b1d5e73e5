/** A scenario is a folder: README.md (what and why), scenario.yaml (cluster and story), expected.log (what the cluster did). */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeLog } from '../../src/proof/keep.ts';
import { parseScenario } from '../../src/proof/scenario-file.ts';
import type { Outcome } from '../../src/sim/swarm/run.ts';
import type { Scenario } from '../../src/sim/swarm/plan.ts';

const folder = new URL('../scenarios/', import.meta.url).pathname;

export function scenarioNames(): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

/** The story as it is written. */
export function readScenario(name: string): Scenario {
  const parsed = parseScenario(readFileSync(join(folder, name, 'scenario.yaml'), 'utf8'));
  if (!parsed.ok) throw new Error(`${name}: ${parsed.because}`);
  return parsed.scenario;
}

/** The golden log; written only by `scripts/test --rewrite` (NODEKEEPER_REWRITE=1): a missing one is a failure. */
export function expectedLog(name: string, { world }: Outcome): string {
  if (process.env['NODEKEEPER_REWRITE'] === '1') writeLog(join(folder, name), world.trace);
  return readFileSync(join(folder, name, 'expected.log'), 'utf8');
}

export function scenarioReadme(name: string): string {
  return readFileSync(join(folder, name, 'README.md'), 'utf8');
}
