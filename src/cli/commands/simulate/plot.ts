/** The outcome of `nodectl simulate` as a picture: how soon it works again, and what silence ends in a fence. Pure. */
import type { Bin, Tally } from './tally.ts';

const width = 760;
const panelHeight = 300;
const margin = { left: 60, right: 170, top: 40, bottom: 45 };
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9']; // told apart by the colour-blind too

interface Curve {
  readonly name: string;
  /** Milliseconds, and a share from 0 to 1. */
  readonly points: readonly (readonly [number, number])[];
}

export function plotSvg(tallies: readonly Tally[]): string {
  const failovers = tallies.filter(({ kind, again }) => kind === 'failover' && again.sortedMs.length > 0);
  const silences = tallies.filter(({ kind, bins }) => kind === 'silence' && bins.length > 0);
  const panels = [
    ...(failovers.length > 0
      ? [
          panel(
            'It works again within',
            failovers.map(({ name, again }) => ({ name, points: cumulative(again) })),
          ),
        ]
      : []),
    ...(silences.length > 0
      ? [
          panel(
            'A healthy node that is silent for so long is fenced',
            silences.map(({ name, bins }) => ({ name, points: shares(bins) })),
          ),
        ]
      : []),
  ];
  const height = Math.max(1, panels.length) * panelHeight;
  const placed = panels.map((body, index) => `<g transform="translate(0 ${index * panelHeight})">${body}</g>`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...placed,
    '</svg>\n',
  ].join('\n');
}

/** Steps: the share of all runs in which it had happened by then. */
function cumulative({ sortedMs, runs }: Tally['again']): Curve['points'] {
  return [
    [0, 0] as const,
    ...sortedMs.flatMap((ms, index) => [[ms, index / runs] as const, [ms, (index + 1) / runs] as const]),
  ];
}

function shares(bins: readonly Bin[]): Curve['points'] {
  return bins
    .filter(({ runs }) => runs > 0)
    .flatMap(({ fromMs, toMs, runs, fenced }) => [[fromMs, fenced / runs] as const, [toMs, fenced / runs] as const]);
}

function panel(title: string, curves: readonly Curve[]): string {
  const longestMs = niceAbove(Math.max(...curves.flatMap(({ points }) => points.map(([ms]) => ms))));
  const plotWidth = width - margin.left - margin.right;
  const plotHeight = panelHeight - margin.top - margin.bottom;
  const x = (ms: number) => (margin.left + (ms / longestMs) * plotWidth).toFixed(1);
  const y = (part: number) => (margin.top + (1 - part) * plotHeight).toFixed(1);
  const right = margin.left + plotWidth;
  const rows = [0, 0.25, 0.5, 0.75, 1].map(
    (part) =>
      `<line x1="${margin.left}" x2="${right}" y1="${y(part)}" y2="${y(part)}" stroke="#ddd"/><text x="${margin.left - 8}" y="${y(part)}" dy="4" text-anchor="end">${part * 100} %</text>`,
  );
  const columns = Array.from({ length: 6 }, (_, index) => (index / 5) * longestMs).map(
    (ms) =>
      `<line x1="${x(ms)}" x2="${x(ms)}" y1="${y(0)}" y2="${y(1)}" stroke="#eee"/><text x="${x(ms)}" y="${y(0)}" dy="18" text-anchor="middle">${Number((ms / 1000).toFixed(2))} s</text>`,
  );
  const lines = curves.map(({ name, points }, index) => {
    const colour = colours[index % colours.length] ?? '#000';
    const path = points.map(([ms, part]) => `${x(ms)},${y(part)}`).join(' ');
    const legendY = margin.top + 10 + index * 20;
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/><line x1="${right + 15}" x2="${right + 40}" y1="${legendY}" y2="${legendY}" stroke="${colour}" stroke-width="2"/><text x="${right + 46}" y="${legendY}" dy="4">${escaped(name)}</text>`;
  });
  const head = `<text x="${margin.left}" y="22" font-size="15" font-weight="bold">${escaped(title)}</text>`;
  return [head, ...rows, ...columns, ...lines].join('\n');
}

/** 1, 2 or 5 times a power of ten. */
function niceAbove(ms: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(ms, 1)));
  return ([1, 2, 5, 10].find((factor) => factor * power >= ms) ?? 10) * power;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
