/** scripts/lab timeline: what the lab did and what the cluster did about it, in order, in ms since an anchor. */
import { existsSync, readFileSync } from 'node:fs';
import type { Lab } from './lab.ts';
import { ask } from './status.ts';

export interface Moment {
  readonly wallMs: number;
  /** ms since the anchor: the last thing that was done to a host. */
  readonly sinceMs: number;
  readonly who: string;
  readonly what: string;
  readonly because: string;
}

interface LabLine {
  readonly wallMs: number;
  readonly node: string;
  readonly what: string;
}

interface Event {
  readonly wallMs: number;
  readonly by: string;
  readonly kind: string;
  readonly because: string;
}

interface Fence {
  readonly steps: readonly {
    readonly at: number;
    readonly by: string;
    readonly what: string;
    readonly because: string;
  }[];
}

/** What counts as done to a host, and so as an anchor. */
const injuries =
  /^(power off|cut from|host frozen|noded frozen|zookeeper frozen|BMC set to|clock set (ahead|behind)|.* hangs)/;
/** Kinds whose account stands in the fence's own steps, in more detail. */
const told = new Set(['fence-step', 'verification']);

/** Of older fences only the events are left, and they are told already. */
const eventLike = /^(intent|rejoined|fenced|power-on|fence-\w+)$/;

export async function timeline(lab: Lab): Promise<Moment[]> {
  const done = labLines(lab);
  const [events, fences] = await Promise.all([
    ask(lab, ['events', '--json', '--limit', '0']),
    ask(lab, ['fence', 'history', '--json']),
  ]);
  const steps = ((fences ?? []) as Fence[]).flatMap((fence) =>
    fence.steps.filter((step) => !eventLike.test(step.what)),
  );
  const all = [
    ...done.map((line) => ({ wallMs: line.wallMs, who: 'lab', what: `${line.node}: ${line.what}`, because: '' })),
    ...((events ?? []) as Event[])
      .filter((event) => !told.has(event.kind))
      .map((event) => ({ wallMs: event.wallMs, who: event.by, what: event.kind, because: event.because })),
    ...steps.map((step) => ({ wallMs: step.at, who: step.by, what: `· ${step.what}`, because: step.because })),
  ].sort((a, b) => a.wallMs - b.wallMs);
  // The plug is pulled by a person; what a BMC does is an answer to it.
  const byBmc = (line: LabLine) =>
    done.some(
      (other) =>
        other.node === line.node &&
        other.what.startsWith('BMC: power off') &&
        Math.abs(other.wallMs - line.wallMs) < 1000,
    );
  const anchor = done.filter((line) => injuries.test(line.what) && !byBmc(line)).at(-1)?.wallMs ?? all[0]?.wallMs ?? 0;
  return all.map((moment) => ({ ...moment, sinceMs: moment.wallMs - anchor }));
}

function labLines(lab: Lab): LabLine[] {
  const file = lab.path('log', 'lab.jsonl');
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LabLine);
}

export function printMoment({ sinceMs, who, what, because }: Moment): string {
  const at = `${sinceMs >= 0 ? '+' : '-'}${String(Math.abs(Math.round(sinceMs))).padStart(6)} ms`;
  return `${at}  ${who.padEnd(8)} ${what.padEnd(24)} ${because}`.trimEnd();
}
