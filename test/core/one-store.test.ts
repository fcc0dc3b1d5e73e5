/** S12: which ZooKeeper servers are one store; the table of docs/decisions/0011, row by row. */
import { judgeShape, membersOf } from '../../src/core/ensemble-shape.ts';
import { judgeStore } from '../../src/core/one-store.ts';
import type { KnownStore, ShownId } from '../../src/core/one-store.ts';

const servers = ['a:1', 'b:1', 'c:1'];
const none: ShownId = { kind: 'none' };
const away: ShownId = { kind: 'no-answer', because: 'no answer' };
const broken: ShownId = { kind: 'unreadable', because: 'it is not JSON' };
const id = (name: string, ...before: string[]): ShownId => ({ kind: 'id', id: name, before });
const x: KnownStore = { id: 'X', before: ['W'], servers };

it.each<[string, KnownStore | null, ShownId[], string]>([
  ['X, and X is shown', x, [id('X'), none, none], 'use'],
  ['X, and a stranger is shown by all', x, [id('Y'), id('Y'), id('Y')], 'refuse'],
  ['X, and most show what came after it', x, [id('Y', 'X'), id('Y', 'X'), away], 'adopt'],
  ['X, and most show what it came after', x, [id('W'), id('W'), away], 'adopt'],
  ['X, and only one shows what came after it', x, [id('Y', 'X'), none, none], 'refuse'],
  ['X, which one still shows', x, [id('Y', 'X'), id('Y', 'X'), id('X')], 'refuse'],
  ['X, and most show none', x, [none, none, away], 'make'],
  ['X, and most show garbage', x, [broken, broken, away], 'make'],
  ['X, and most are away', x, [none, away, away], 'refuse'],
  ['X, and one still shows it', x, [none, none, id('X')], 'refuse'],
  ['X on other servers, and all show none', { ...x, servers: ['d:1', 'e:1', 'c:1'] }, [none, none, none], 'refuse'],
  ['nothing, and most show Y', null, [id('Y'), id('Y'), none], 'adopt'],
  ['nothing, and one alone shows Y', null, [id('Y'), none, none], 'refuse'],
  ['nothing, and most show none', null, [none, none, id('Y')], 'make'],
  ['nothing, and garbage is shown', null, [broken, broken, broken], 'refuse'],
  ['nothing, and it does not answer', null, [away, none, none], 'refuse'],
])('remembered: %s', (_, known, shown, act) => {
  const polled = servers.map((server, at) => ({ server, shown: shown[at] ?? none }));
  const [first = none] = shown;
  expect(judgeStore({ server: 'a:1', servers, known, shown: first, polled }).act).toBe(act);
});

it.each<[string, string | null, string[] | null, boolean, boolean]>([
  ['standalone', 'standalone', null, true, false],
  ['its members are the configured ones', 'follower', ['a', 'b', 'c'], false, false],
  ['long names for short ones', 'leader', ['a.example.com', 'b.example.com', 'c.example.com'], false, false],
  ['a growing ensemble', 'leader', ['a', 'b'], false, true],
  ['one of another ensemble', 'follower', ['a', 'y', 'z'], true, false],
  ['none in common: other names for the same, maybe', 'follower', ['x', 'y', 'z'], false, true],
  ['addresses cannot be compared with names', 'follower', ['10.0.0.1', '10.0.0.2', '10.0.0.3'], false, false],
  ['itself as any address', 'follower', ['0.0.0.0', 'b', 'y'], false, false],
  ['nothing is told', null, null, false, true],
])('shape: %s', (_, mode, members, isRefused, isDoubted) => {
  const { refused, doubt } = judgeShape('a:1', servers, { mode, members });
  expect({ isRefused: refused !== null, isDoubted: doubt !== null }).toEqual({ isRefused, isDoubted });
});

it('one configured server may be standalone; members are read as ZooKeeper writes them', () => {
  expect(judgeShape('a:1', ['a:1'], { mode: 'standalone', members: null })).toEqual({ refused: null, doubt: null });
  const text = 'server.1=a:2888:3888:participant;0.0.0.0:2181\nserver.2=[fe80::1]:2888:3888\nversion=0';
  expect(membersOf(text)).toEqual(['a', '[fe80::1]']);
});
