/** Keeps a story as a folder of test/scenarios: README.md, scenario.yaml, expected.log. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Trace } from '../sim/trace.ts';
import { printLine } from '../sim/trace.ts';
import type { Scenario } from '../sim/swarm/plan.ts';
import { printScenario } from './scenario-file.ts';

/** The log that is compared: every line but the verifier's (it has a suite of its own). */
export function logOf(trace: Trace): string {
  const lines = trace.lines.filter((line) => !/fencing (verified|would fail)|^verification$/.test(line.event));
  return `${lines.map((line) => printLine(line)).join('\n')}\n`;
}

/** Writes the folder; `readme` is its title and what is to be seen. */
export function keepScenario(folder: string, readme: string, scenario: Scenario, trace: Trace): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'README.md'), readme);
  writeFileSync(join(folder, 'scenario.yaml'), printScenario(scenario));
  writeLog(folder, trace);
}

export function writeLog(folder: string, trace: Trace): void {
  writeFileSync(join(folder, 'expected.log'), logOf(trace));
}

/** Which of a story's expectations its log does not meet. However many blanks stand between two words is the same. */
export function unmet(expectations: readonly string[], log: string): string[] {
  const spaced = (text: string) => text.trim().replace(/\s+/g, ' ');
  const lines = log.split('\n').map(spaced);
  const stands = (text: string) => lines.some((line) => line.includes(spaced(text)));
  return expectations.filter((wanted) => (wanted.startsWith('not ') ? stands(wanted.slice(4)) : !stands(wanted)));
}
