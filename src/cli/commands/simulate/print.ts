/** The outcome of `nodectl simulate` as people read it. */
import { inWords } from '../../../core/decision.ts';
import type { Output } from '../../output.ts';
import type { Bin, Spread, Tally } from './tally.ts';

const seconds = (ms: number | null) => (ms === null ? '-' : `${(ms / 1000).toFixed(ms < 1000 ? 2 : 1)}s`);
const share = (part: number, of: number) => `${part} of ${of}`;

export function printTallies(tallies: readonly Tally[], output: Output): void {
  const of = (...kinds: readonly string[]) => tallies.filter(({ kind, runs }) => kinds.includes(kind) && runs > 0);
  printFailovers(of('failover'), output);
  printSilences(of('silence'), output);
  printTroubles(of('trouble', 'random', 'story'), output);
}

function printFailovers(tallies: readonly Tally[], output: Output): void {
  if (tallies.length === 0) return;
  const hasVms = tallies.some(({ vms }) => vms.sortedMs.length > 0);
  output.line();
  output.table(
    [
      ...['THE PRIMARY GOES', 'RUNS', 'VERDICT', 'POWER OFF', 'WORKS AGAIN', '90%', '99%', 'MAX', 'NEVER'],
      ...(hasVms ? ['VMS RUN'] : []),
      'WHAT HAPPENS',
    ],
    tallies.map(({ name, runs, verdict, off, again, vms, describe }) => [
      ...[name, String(runs), seconds(verdict.medianMs), seconds(off.medianMs), ...spreadCells(again)],
      again.never === 0 ? '-' : output.paint('red', String(again.never)),
      ...(hasVms ? [seconds(vms.medianMs)] : []),
      describe,
    ]),
  );
  output.line(
    'Medians, from the beginning of the trouble; 90%, 99%, MAX: until it works again. Resources start at once.',
  );
}

function spreadCells({ medianMs, p90Ms, p99Ms, maxMs }: Spread): string[] {
  return [medianMs, p90Ms, p99Ms, maxMs].map(seconds);
}

const barColumns = 20;

function printSilences(tallies: readonly Tally[], output: Output): void {
  for (const { name, describe, bins, shortestFencedMs, longestSparedMs, runs, runsWithFence } of tallies) {
    output.line();
    output.table(
      [`${name.toUpperCase()} OF`, 'FENCED', ''],
      bins.map((bin) => [
        `${seconds(bin.fromMs)} to ${seconds(bin.toMs)}`,
        share(bin.fenced, bin.runs),
        output.paint('yellow', bar(bin)),
      ]),
    );
    output.line(`${describe}: fenced in ${share(runsWithFence, runs)} runs.`);
    if (shortestFencedMs !== null)
      output.line(
        `The shortest that ended in a fence: ${seconds(shortestFencedMs)}; the longest that did not: ${seconds(longestSparedMs)}.`,
      );
  }
}

function bar({ runs, fenced }: Bin): string {
  return '█'.repeat(runs === 0 ? 0 : Math.ceil((fenced / runs) * barColumns));
}

function printTroubles(tallies: readonly Tally[], output: Output): void {
  if (tallies.length === 0) return;
  output.line();
  output.table(
    ['TROUBLE', 'RUNS', 'WITH A FENCE', 'AWAY', '90%', '99%', 'MAX', 'GUARDS HELD', 'WHAT HAPPENS'],
    tallies.map(({ name, kind, runs, runsWithFence, away, guards, describe }) => [
      ...[name, String(runs)],
      kind === 'trouble' && runsWithFence > 0 ? output.paint('red', String(runsWithFence)) : String(runsWithFence),
      ...spreadCells(away),
      Object.entries(guards)
        .map(([guard, times]) => `${guard} ${times}`)
        .join(', ') || '-',
      describe,
    ]),
  );
  output.line('AWAY: for how long in all nobody could use what the primary runs.');
}

/** What an operator should take away; empty: nothing special. */
export function remarks(tallies: readonly Tally[], detectionMs: number): string[] {
  const found: string[] = [];
  for (const { name, kind, again, shortestFencedMs, runsWithFence, findings } of tallies) {
    if (kind === 'failover' && again.never > 0)
      found.push(
        `${name}: in ${share(again.never, again.runs)} runs nothing worked again by itself: nobody could make sure that the machine is off (a second level or a watchdog helps: nodectl fence-check --strict)`,
      );
    if (kind === 'silence' && shortestFencedMs !== null && shortestFencedMs < detectionMs)
      found.push(
        `${name}: ${seconds(shortestFencedMs)} were enough for a fence, though a node is dead after ${inWords(detectionMs)}: the age of its last keepalive when it began and the time to connect again count too`,
      );
    if (kind === 'trouble' && runsWithFence > 0)
      found.push(`${name}: healthy nodes were fenced; a longer interval or more savingThrows outlast more`);
    for (const { seed, rule, text } of findings.slice(0, 3))
      found.push(`${name}, seed ${seed}: a safety rule was broken (${rule}: ${text}). Please report this`);
  }
  return found;
}
