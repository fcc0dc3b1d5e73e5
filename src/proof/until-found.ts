/** Runs seeds until one breaks a rule: `node until-found.js FROM TO [RULE]`. Prints one line of JSON; the agents may be broken on purpose. */
import { runSeed } from './seed.ts';

const [from = 1, to = 1] = process.argv.slice(2, 4).map(Number);
const [, , , , wanted] = process.argv;
let found: {
  readonly seed: number;
  readonly findings: readonly { readonly rule: string; readonly text: string }[];
} | null = null;
let seed = from;
for (; seed <= to && found === null; seed += 1) {
  const { findings } = await runSeed(seed);
  if (findings.some(({ rule }) => wanted === undefined || rule === wanted)) found = { seed, findings };
}
process.stdout.write(`${JSON.stringify({ ran: seed - from, found })}\n`);
