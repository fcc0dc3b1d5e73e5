/** When a server of the store is held for wrong: not for lag, not for a race, and not for ever. */
import { Contradictions, contradictionSentence } from '../../src/core/contradiction.ts';

const write = { kind: 'write', path: '/a', version: 7 };
const shows = (version: number) => ({ ok: true, version }) as const;
const nothing = { ok: false, code: 'no-node' } as const;

it('refused, shown again, refused again: contradicted; and the count begins anew', () => {
  const doubts = new Contradictions(3000);
  for (let round = 0; round < 2; round += 1) {
    expect(doubts.refuses(write, 'bad-version', 0)).toBeNull();
    doubts.read('/a', shows(7));
    expect(doubts.refuses(write, 'bad-version', 0)).toEqual({ path: '/a', expected: 7 });
  }
});

it.each([
  ['it was not read in between', () => undefined],
  ['another version was shown', (doubts: Contradictions) => doubts.read('/a', shows(8))],
  ['nothing was shown', (doubts: Contradictions) => doubts.read('/a', nothing)],
  ['the read failed', (doubts: Contradictions) => doubts.read('/a', { ok: false, code: 'unclear' })],
  ['another path was read', (doubts: Contradictions) => doubts.read('/b', shows(7))],
  [
    'a write of it was done',
    (doubts: Contradictions) => {
      doubts.read('/a', shows(7));
      doubts.done([write]);
    },
  ],
  [
    'another server answers',
    (doubts: Contradictions) => {
      doubts.read('/a', shows(7));
      doubts.forget();
    },
  ],
])('no contradiction when %s', (_why, between) => {
  const doubts = new Contradictions(3000);
  doubts.refuses(write, 'bad-version', 0);
  between(doubts);
  expect(doubts.refuses(write, 'bad-version', 0)).toBeNull();
});

it.each([
  ['a check of what is shown, and is not there', { ...write, kind: 'check' }, 'no-node', shows(7), 7],
  ['a create of what is not shown, and is there', { kind: 'create', path: '/a' }, 'node-exists', nothing, null],
])('%s', (_what, change, code, shown, expected) => {
  const doubts = new Contradictions(3000);
  expect(doubts.refuses(change, code, 0)).toBeNull();
  doubts.read('/a', shown);
  expect(doubts.refuses(change, code, 0)).toEqual({ path: '/a', expected });
});

it.each([
  ['not-connected', write],
  ['unclear', write],
  ['no-auth', write],
  ['not-empty', { ...write, kind: 'remove' }],
  ['no-node', { kind: 'create', path: '/a' }],
])('%s of a change contradicts nothing', (code, change) => {
  const doubts = new Contradictions(3000);
  for (let round = 0; round < 3; round += 1) {
    expect(doubts.refuses(change, code, 0)).toBeNull();
    doubts.read('/a', change.kind === 'create' ? nothing : shows(7));
  }
});

it('a refusal is forgotten after ten minutes: two that lie further apart are two lost races', () => {
  const doubts = new Contradictions(3000);
  for (const [nowMs, found] of [
    [0, null],
    [600_000, null],
    [1_199_999, { path: '/a', expected: 7 }],
  ] as const) {
    expect(doubts.refuses(write, 'bad-version', nowMs)).toEqual(found);
    doubts.read('/a', shows(7));
  }
});

it('no more than a hundred paths are remembered, the newest ones', () => {
  const doubts = new Contradictions(3000);
  const at = (index: number) => ({ ...write, path: `/${index}` });
  for (let index = 0; index <= 100; index += 1) doubts.refuses(at(index), 'bad-version', 0);
  for (const index of [0, 1, 100]) doubts.read(`/${index}`, shows(7));
  expect(doubts.refuses(at(1), 'bad-version', 0)).not.toBeNull();
  expect(doubts.refuses(at(100), 'bad-version', 0)).not.toBeNull();
  expect(doubts.refuses(at(0), 'bad-version', 0)).toBeNull();
});

const judged = (doubts: Contradictions, path: string, server: string, nowMs: number) => {
  const { isNews, leaves, wrong } = doubts.judge(path, server, nowMs, 3);
  return `${isNews ? 'said' : 'known'}, ${leaves ? 'left' : 'stays'}, ${wrong} wrong`;
};

it('each server is left once at once; when all three are wrong, none is left', () => {
  const doubts = new Contradictions(3000);
  expect(['one', 'two', 'three', 'one'].map((server, at) => judged(doubts, '/a', server, at * 10_000))).toEqual([
    'said, left, 1 wrong',
    'said, left, 2 wrong',
    'said, stays, 3 wrong',
    'known, stays, 3 wrong',
  ]);
  expect(judged(doubts, '/b', 'one', 30_000)).toBe('said, left, 1 wrong'); // for each path anew
  expect(judged(doubts, '/a', 'two', 60_000)).toBe('known, left, 2 wrong'); // a minute after the first, it may know by now
  expect(judged(doubts, '/a', 'one', 60_001)).toBe('said, stays, 3 wrong');
});

it('as long as one of them was not asked, each other one is left again, not more often than every three seconds', () => {
  const doubts = new Contradictions(3000);
  const asked = [0, 300, 350, 2999, 3000, 3299, 3300, 3400];
  expect(asked.map((nowMs, at) => judged(doubts, '/a', at % 2 === 0 ? 'one' : 'two', nowMs))).toEqual([
    'said, left, 1 wrong',
    'said, left, 2 wrong',
    'known, stays, 2 wrong',
    'known, stays, 2 wrong',
    'known, left, 2 wrong',
    'known, stays, 2 wrong',
    'known, stays, 2 wrong',
    'known, left, 2 wrong',
  ]);
});

it('what is written is the same everywhere: nobody is wrong about it any more', () => {
  const doubts = new Contradictions(3000);
  judged(doubts, '/a', 'one', 0);
  doubts.done([write]);
  expect(judged(doubts, '/a', 'one', 1)).toBe('said, left, 1 wrong');
});

it('it is said who shows what, and whether there is another one', () => {
  const found = { path: '/nodes/node3/keepalive', expected: 57 };
  expect(contradictionSentence('10.0.0.1:2181', found, 1, 3)).toBe(
    'ZooKeeper contradicts itself: 10.0.0.1:2181 shows version 57 of /nodes/node3/keepalive, and what rests on that is refused; another server is asked from now on',
  );
  expect(contradictionSentence('a:1', { path: '/a', expected: null }, 3, 3)).toMatch(
    /a:1 shows that there is no \/a, .* that is so of 3 servers in a minute, and none is left to go to$/,
  );
  expect(contradictionSentence('a:1', found, 1, 1)).toMatch(/that is so of its only server, and none is left/);
});

it('a branch that the store has and this server lacks: what is made below it is refused, and so is the branch', () => {
  const doubts = new Contradictions(3000);
  const child = { kind: 'create', path: '/a/lock' };
  const branch = { kind: 'create', path: '/a' };
  expect(doubts.refuses(child, 'no-node', 0)).toBeNull();
  expect(doubts.refuses(branch, 'node-exists', 0)).toBeNull();
  expect(doubts.refuses(child, 'no-node', 0)).toBeNull();
  expect(doubts.refuses(branch, 'node-exists', 0)).toEqual({ path: '/a', expected: null });
  // Another client removed it in between, and it is made.
  doubts.refuses(branch, 'node-exists', 0);
  doubts.refuses(child, 'no-node', 0);
  doubts.done([branch]);
  expect(doubts.refuses(branch, 'node-exists', 0)).toBeNull();
});

describe('a lost race to make a branch, which is removed long after', () => {
  const branch = { kind: 'create', path: '/a/lock' };
  const child = { kind: 'create', path: '/a/lock/mine' };
  /** What the branch's second refusal finds when `between` was done below it after the first one. */
  const found = (between: { kind: string; path: string }[]) => {
    const doubts = new Contradictions(3000);
    doubts.refuses(branch, 'node-exists', 0);
    doubts.done(between);
    doubts.refuses(child, 'no-node', 0);
    return doubts.refuses(branch, 'node-exists', 0);
  };
  const contradicted = { path: '/a/lock', expected: null };

  it.each([
    ['this server has made something below it', [child], null],
    ['something far below it', [{ kind: 'remove', path: '/a/lock/mine/x' }], null],
    ['nothing', [], contradicted],
    ['something beside it', [{ kind: 'create', path: '/a/locks/mine' }], contradicted],
    ['something above it', [{ kind: 'write', path: '/a' }], contradicted],
    ['a check below it, which only the leader makes', [{ kind: 'check', path: '/a/lock/mine' }], contradicted],
  ])('%s', (_what, between, expected) => {
    expect(found(between)).toEqual(expected);
  });

  it('what is done below it says nothing of its version', () => {
    const doubts = new Contradictions(3000);
    doubts.refuses(write, 'bad-version', 0);
    doubts.read('/a', shows(7));
    doubts.done([child]);
    expect(doubts.refuses(write, 'bad-version', 0)).toEqual({ path: '/a', expected: 7 });
  });
});
