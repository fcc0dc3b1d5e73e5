/** One picture of `nodectl status --watch`: what fits into the screen, what is wrong first. Pure. */
import type { HistoryEvent } from '../records/history.ts';
import type { ClusterView, NodeView } from './cluster-view.ts';
import type { Output } from './output.ts';
import { age, clip, clockTime, pad } from './output.ts';
import { shortRole } from './role-words.ts';
import type { Size } from './screen.ts';

export interface StatusPicture {
  readonly view: ClusterView;
  /** Oldest first. */
  readonly events: readonly HistoryEvent[];
  readonly remarks: readonly string[];
  /** One line each, e.g. who is primary. */
  readonly head: readonly string[];
  /** What is left of the primary's lease, as it says itself; null: it does not say. */
  readonly leaseLeftMs: number | null;
  readonly leaseMs: number;
  readonly savingThrows: number;
  /** From the last keepalive to a dead verdict. */
  readonly deadAfterMs: number;
  readonly wallMs: number;
  /** Why the picture is old; null: it is not. */
  readonly staleBecause: string | null;
}

export interface Painter extends Pick<Output, 'paint'> {
  /** Full and empty cell of a bar. */
  readonly cells: readonly [string, string];
}

const remarksMax = 5;
const eventsMin = 3;
const help = 'q quits · ↑ ↓ PgUp PgDn scroll the nodes';

export function statusFrame(picture: StatusPicture, { columns, rows }: Size, from: number, painter: Painter): string[] {
  const { view, remarks, events, staleBecause } = picture;
  const clock = clockTime(picture.wallMs).slice(11, 19);
  const [first = '', ...others] = picture.head;
  const head = [`${pad(clip(first, columns - 10), columns - 10)}  ${clock}`, ...others, leaseLine(picture, painter)];
  if (staleBecause !== null) head.push(painter.paint('red', `! ${staleBecause}; below is what was seen last`));
  const spare = rows - head.length - 3; // a gap, the header of the table, the help
  const said =
    remarks.length > remarksMax ? [...remarks.slice(0, remarksMax - 1), `and more: nodectl status`] : remarks;
  const nodeRows = Math.max(1, Math.min(view.nodes.length, spare - said.length - eventsMin - 1));
  const nodes = worstFirst(view.nodes, nodeRows);
  const start = Math.max(0, Math.min(from, nodes.length - nodeRows));
  const shown = nodes.slice(start, start + nodeRows).map((node) => nodeLine(node, picture, painter));
  const hidden = nodes.length - nodeRows;
  const eventRows = Math.max(0, spare - shown.length - said.length - 1);
  const newest = eventRows === 0 ? [] : events.slice(-eventRows).reverse();
  const lines = [
    ...head,
    '',
    painter.paint('bold', tableHead),
    ...shown,
    ...said.map((remark) => painter.paint('yellow', `! ${remark}`)),
    ...(newest.length === 0 ? [] : ['', ...newest.map((event) => eventLine(event, painter))]),
  ];
  const body = lines.slice(0, rows - 1).map((line) => clip(line, columns));
  const foot = hidden > 0 ? `${start + 1}-${start + nodeRows} of ${nodes.length} nodes · ${help}` : help;
  return [
    ...body,
    ...Array<string>(Math.max(0, rows - 1 - body.length)).fill(''),
    painter.paint('dim', clip(foot, columns)),
  ];
}

/** When not all fit, those that are not well come first; else the order is kept, so that nothing jumps. */
function worstFirst(nodes: readonly NodeView[], fit: number): readonly NodeView[] {
  if (nodes.length <= fit) return nodes;
  const isWell = (node: NodeView) => node.state === 'run' && node.throws === 0;
  return [...nodes.filter((node) => !isWell(node)), ...nodes.filter(isWell)];
}

const tableHead = `${pad('NODE', 14)} ${pad('STATE', 12)} ${pad('PRIMARY', 10)} ${pad('KEEPALIVE', 14)} ${pad('THROWS', 11)} FENCING`;

function nodeLine(node: NodeView, { savingThrows, deadAfterMs }: StatusPicture, painter: Painter): string {
  const { paint } = painter;
  const isWell = node.state === 'run';
  const silent = bar(node.keepaliveAgeMs ?? deadAfterMs, deadAfterMs, 8, painter);
  const throws = Math.min(node.throws, savingThrows);
  const count = throws === 0 ? '' : `${throws}/${savingThrows}`;
  const role = shortRole(node);
  return [
    pad(clip(node.name, 14), 14),
    pad(paint(isWell ? 'green' : 'red', clip(node.state, 12)), 12),
    pad(
      role === 'primary'
        ? paint('green', role)
        : role === 'secondary' || role === '-'
          ? role
          : paint('yellow', clip(role, 10)),
      10,
    ),
    pad(`${pad(age(node.keepaliveAgeMs), 5)} ${silent}`, 14),
    pad(throws === 0 ? '-' : paint('yellow', `${bar(throws, savingThrows, 6, painter)} ${count}`), 11),
    node.fenceability === 'none' ? paint('red', 'nobody can') : fenceOf(node),
  ].join(' ');
}

function fenceOf({ fence, fencers, fenceability }: NodeView): string {
  if (fence !== null && fence.state !== 'none' && fence.state !== 'closed') return `${fence.state} by ${fence.fencer}`;
  return fenceability === 'unknown' ? '?' : `${fencers.length} can`;
}

function leaseLine({ leaseLeftMs, leaseMs }: StatusPicture, painter: Painter): string {
  if (leaseLeftMs === null) return 'lease: the primary does not say';
  return `lease: ${bar(leaseLeftMs, leaseMs, 20, painter)} ${(leaseLeftMs / 1000).toFixed(1)} of ${(leaseMs / 1000).toFixed(1)} s left`;
}

function eventLine(event: HistoryEvent, { paint }: Painter): string {
  return `${clockTime(event.wallMs).slice(11, 19)} ${pad(clip(event.by, 10), 10)} ${paint('bold', pad(clip(event.kind, 14), 14))} ${event.because}`;
}

/** A bar of `width` cells, full at `whole`. */
export function bar(value: number, whole: number, width: number, { cells: [full, empty] }: Painter): string {
  const share = whole > 0 ? Math.min(1, Math.max(0, value / whole)) : 0;
  const filled = value > 0 ? Math.max(1, Math.round(share * width)) : 0;
  return full.repeat(filled) + empty.repeat(width - filled);
}
