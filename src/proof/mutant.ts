/**
 * What a mutation is played by; the agents of this program may be broken on purpose. Prints one line of JSON.
 *
 * `node mutant.js FROM TO [RULE]`: runs seeds until one breaks a rule. `node mutant.js SCENARIO.YAML`: plays that story, and tells what it
 * breaks or does not bring about.
 */
import { readFileSync } from 'node:fs';
import { runPlan } from '../sim/swarm/run.ts';
import { logOf, unmet } from './keep.ts';
import { parseScenario } from './scenario-file.ts';
import { runSeed } from './seed.ts';

type Findings = readonly { readonly rule: string; readonly text: string }[];

async function untilFound(from: number, to: number, wanted: string | undefined) {
  let found: { readonly seed: number; readonly findings: Findings } | null = null;
  let seed = from;
  for (; seed <= to && found === null; seed += 1) {
    const { findings } = await runSeed(seed);
    if (findings.some(({ rule }) => wanted === undefined || rule === wanted)) found = { seed, findings };
  }
  return { ran: seed - from, found };
}

async function play(file: string) {
  const parsed = parseScenario(readFileSync(file, 'utf8'));
  if (!parsed.ok) throw new Error(`${file}: ${parsed.because}`);
  const { world, findings } = await runPlan(parsed.scenario);
  return { findings, unmet: unmet(parsed.scenario.expect ?? [], logOf(world.trace)) };
}

const [first = '', to = '', rule] = process.argv.slice(2);
const answer = /^\d+$/.test(first) ? await untilFound(Number(first), Number(to), rule) : await play(first);
process.stdout.write(`${JSON.stringify(answer)}\n`);
