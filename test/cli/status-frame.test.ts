/** The picture of `nodectl status --watch` in screens of all sizes: it fits, the worst is on it, and it is what the store says. */
import { test as property, fc } from '@fast-check/jest';
import stringWidth from 'string-width';
import type { ClusterView, NodeView } from '../../src/cli/cluster-view.ts';
import { clip } from '../../src/cli/output.ts';
import { roleInWords, shortRole } from '../../src/cli/role-words.ts';
import type { Painter, StatusPicture } from '../../src/cli/status-frame.ts';
import { bar, statusFrame } from '../../src/cli/status-frame.ts';

const coloured: Painter = { paint: (_colour, text) => `\x1b[31m${text}\x1b[0m`, cells: ['#', '.'] };
const plain: Painter = { paint: (_colour, text) => text, cells: ['#', '.'] };

const node = (name: string, more: Partial<NodeView> = {}): NodeView =>
  ({
    name,
    role: 'coordinator',
    state: 'run',
    keepaliveAgeMs: 1200,
    throws: 0,
    coordinatorState: 'secondary',
    lastCoordinatorState: null,
    fencers: ['a', 'b'],
    fenceability: 'ok',
    fence: null,
    ...more,
  }) as unknown as NodeView;

const picture = (nodes: readonly NodeView[], more: Partial<StatusPicture> = {}): StatusPicture => ({
  view: { cluster: { name: 'lab' }, nodes } as unknown as ClusterView,
  events: Array.from({ length: 40 }, (_, at) => ({
    schema: 1,
    wallMs: at * 1000,
    by: 'node1',
    kind: 'primary',
    node: 'node1',
    fenceId: null,
    because: `event ${at}: ${'word '.repeat(40)}`,
    evidence: {},
  })),
  remarks: [],
  head: ['cluster lab: 3 of 3 nodes run', 'primary: node1, epoch 3'],
  leaseLeftMs: 2000,
  leaseMs: 4000,
  savingThrows: 6,
  deadAfterMs: 30_000,
  wallMs: 0,
  staleBecause: null,
  ...more,
});
property.prop([
  fc.integer({ min: 20, max: 250 }),
  fc.integer({ min: 8, max: 90 }),
  fc.integer({ min: 0, max: 400 }),
  fc.integer({ min: 0, max: 500 }),
  fc.array(
    fc.string({ maxLength: 300, unit: 'grapheme' }).map((text) => text.replaceAll(/[\p{Cc}]/gu, ' ')),
    { maxLength: 12 },
  ),
])('it fits any screen exactly, wherever one scrolls', (columns, rows, count, from, remarks) => {
  const nodes = Array.from({ length: count }, (_, at) => node(`node${at}`, { throws: at % 7 }));
  const lines = statusFrame(picture(nodes, { remarks }), { columns, rows }, from, coloured);
  expect(lines.length).toBe(rows);
  for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns);
});

it('80 x 24, three nodes: bars for silence, throws and the lease, the newest event first, how to leave', () => {
  const nodes = [
    node('node1', { coordinatorState: 'primary' }),
    node('node2', { state: 'unknown', throws: 3, keepaliveAgeMs: 15_000 }),
    node('node3', { fenceability: 'none' }),
  ];
  const text = statusFrame(
    picture(nodes, { remarks: ['nobody can fence node3'] }),
    { columns: 80, rows: 24 },
    0,
    plain,
  ).join('\n');
  expect(text).toMatch(/^cluster lab: 3 of 3 nodes run +\d\d:\d\d:\d\d\n/);
  expect(text).toMatch(/lease: #{10}\.{10} 2\.0 of 4\.0 s left/);
  expect(text).toMatch(/node1 +run +primary +1\.2s +#\.{7} +- +2 can/);
  expect(text).toMatch(/node2 +unknown +secondary +15s +#{4}\.{4} +#{3}\.{3} 3\/6/);
  expect(text).toMatch(/node3 .*nobody can\n! nobody can fence node3\n\n.* event 39: /);
  expect(text).toMatch(/q quits/);
});

it('what does not fit is scrolled; who is not well comes first then', () => {
  const nodes = Array.from({ length: 300 }, (_, at) =>
    node(`node${at}`, at === 250 ? { state: 'dead', throws: 6 } : {}),
  );
  const top = statusFrame(picture(nodes), { columns: 80, rows: 24 }, 0, plain);
  expect(top[5]).toMatch(/^node250 +dead/);
  expect(top.at(-1)).toMatch(/^1-\d+ of 300 nodes/);
  const end = statusFrame(picture(nodes), { columns: 80, rows: 24 }, 9999, plain);
  expect(end.some((line) => line.startsWith('node299 '))).toBe(true);
});

it('an old picture says that it is, and why', () => {
  const lines = statusFrame(
    picture([node('node1')], { staleBecause: 'no server answers' }),
    { columns: 80, rows: 24 },
    0,
    plain,
  );
  expect(lines).toContain('! no server answers; below is what was seen last');
});

it('bars and cuts', () => {
  expect(bar(0, 10, 4, plain)).toBe('....');
  expect(bar(0.1, 10, 4, plain)).toBe('#...');
  expect(bar(99, 10, 4, plain)).toBe('####');
  expect(bar(1, 0, 4, plain)).toBe('#...');
  expect(clip('abcdef', 4)).toBe('abc…');
  expect(clip('\x1b[31mabcdef\x1b[0m', 4)).toBe('abc…');
  expect(clip('日本語です', 6)).toBe('日本…');
});

it.each([
  ['run', 'primary', null, 'primary', 'primary'],
  ['run', null, null, '-', '-'],
  ['dead', null, 'primary', '? (was primary)', '?'],
  ['fence-failed', null, 'secondary', '? (was secondary)', '?'],
  ['fenced', null, 'primary', '- (was primary)', '-'],
] as const)('PRIMARY of a node that is %s (says %s, said %s): %s', (state, now, last, words, short) => {
  const said = { state, coordinatorState: now, lastCoordinatorState: last };
  expect([roleInWords(said), shortRole(said)]).toEqual([words, short]);
});
