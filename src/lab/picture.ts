/** The last fence, drawn for a stranger: what died, who noticed, how it was made sure, what it cost in milliseconds. */
import { inWords } from '../core/decision.ts';
import type { Lab } from './lab.ts';
import { LabError } from './lab.ts';
import { ask } from './status.ts';
import type { Moment } from './timeline.ts';
import { timeline } from './timeline.ts';

interface Fence {
  readonly node: string;
  readonly by: string;
  readonly verdictAt: number;
  readonly confirmedAt: number | null;
  readonly recordedAt: number | null;
}

const width = 46;

/** Draws it; throws when nothing was fenced yet. */
export async function picture(lab: Lab): Promise<string> {
  const [fence] = ((await ask(lab, ['fence', 'history', '--json'])) ?? []) as Fence[];
  if (fence === undefined) throw new LabError('nothing was fenced yet');
  const moments = (await timeline(lab)).filter((moment) => moment.sinceMs >= 0);
  const back = moments.find((moment) => moment.what === 'node-started' && moment.who === fence.node);
  const anchorMs = (moments[0]?.wallMs ?? fence.verdictAt) - (moments[0]?.sinceMs ?? 0);
  const endMs = (back?.wallMs ?? fence.recordedAt ?? fence.verdictAt) - anchorMs;
  const phases: [string, number | null, number | null][] = [
    ['nobody knows yet: its keepalives are missing', 0, fence.verdictAt - anchorMs],
    ['made sure: power read off', fence.verdictAt - anchorMs, at(fence.confirmedAt, anchorMs)],
    ['recorded: others may take over', at(fence.confirmedAt, anchorMs), at(fence.recordedAt, anchorMs)],
    ['powered on again, back as a new incarnation', at(fence.recordedAt, anchorMs), back === undefined ? null : endMs],
  ];
  return [
    `What happened, in ms since the plug of ${fence.node} was pulled:`,
    '',
    ...moments.map(line),
    '',
    'What it cost:',
    '',
    ...phases.map(([what, from, to]) => bar(what, from, to, endMs)),
    '',
    `${fence.by} fenced ${fence.node}. From the verdict to the record: ${inWords((fence.recordedAt ?? fence.verdictAt) - fence.verdictAt)}.`,
  ].join('\n');
}

function at(wallMs: number | null, anchorMs: number): number | null {
  return wallMs === null ? null : wallMs - anchorMs;
}

function line({ sinceMs, who, what, because }: Moment): string {
  const text = because === '' ? what : `${what.replace('· ', '')}: ${because}`;
  return `  ${String(Math.round(sinceMs)).padStart(6)}  ${who.padEnd(7)} ${text}`;
}

/** One phase as a bar on the common time line. */
function bar(what: string, fromMs: number | null, toMs: number | null, endMs: number): string {
  if (fromMs === null || toMs === null) return `  ${''.padEnd(width)}  ${what}: did not happen`;
  const scale = (ms: number) => Math.round((ms / Math.max(1, endMs)) * width);
  const start = Math.min(scale(fromMs), width - 1);
  const length = Math.max(1, scale(toMs) - start);
  const drawn = `${' '.repeat(start)}${'█'.repeat(length)}`.padEnd(width);
  return `  ${drawn}  ${inWords(toMs - fromMs).padStart(7)}  ${what}`;
}
