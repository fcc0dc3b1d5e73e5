/** A change of keys: which step is next, from what the nodes say. */
import type { NodeKeys } from '../../src/core/key-change.ts';
import { keyStep } from '../../src/core/key-change.ts';

const node = (name: string, keys: string[] | null, sealedWith: string | null = keys?.[0] ?? null): NodeKeys => ({
  name,
  keys,
  sealedWith,
});

it.each<[string, string[], NodeKeys[], number[], object]>([
  ['one key', ['a'], [node('n1', ['a']), node('n2', ['a'])], [9], { kind: 'done' }],
  ['no node at all', ['a'], [], [0], { kind: 'done' }],
  [
    'not yet everywhere, or not any more',
    ['a', 'b'],
    [node('n1', ['a', 'b']), node('n2', ['a'])],
    [9, 0],
    { kind: 'spare', keys: ['b'], lacking: ['n2'] },
  ],
  [
    'everywhere, and not needed',
    ['a', 'b'],
    [node('n1', ['a', 'b'])],
    [9, 0],
    { kind: 'spare', keys: ['b'], lacking: [] },
  ],
  [
    'this machine has forgotten, n1 has not',
    ['b'],
    [node('n1', ['b', 'a']), node('n2', ['b'])],
    [9],
    { kind: 'spare', keys: ['a'], lacking: ['n2'] },
  ],
  ['a node that does not say', ['a', 'b'], [node('n1', null)], [9, 0], { kind: 'learn', key: 'a', nodes: ['n1'] }],
  // The dangerous ones: somebody writes with b already, and n2 cannot read it.
  [
    'turned too early',
    ['b', 'a'],
    [node('n1', ['b', 'a']), node('n2', ['a'])],
    [1, 9],
    { kind: 'learn', key: 'b', nodes: ['n2'] },
  ],
  [
    'turned too early elsewhere',
    ['a', 'b'],
    [node('n1', ['b', 'a']), node('n2', ['a'])],
    [9, 1],
    { kind: 'learn', key: 'b', nodes: ['n2'] },
  ],
  ['this machine is ahead of all', ['b'], [node('n1', ['a'])], [0], { kind: 'learn', key: 'b', nodes: ['n1'] }],
  [
    'all know both, nobody has turned',
    ['b', 'a'],
    [node('n1', ['a', 'b']), node('n2', ['a', 'b'])],
    [0, 9],
    { kind: 'turn', nodes: ['n1', 'n2'] },
  ],
  [
    'one has turned',
    ['b', 'a'],
    [node('n1', ['b', 'a']), node('n2', ['a', 'b'])],
    [1, 9],
    { kind: 'turn', nodes: ['n2'] },
  ],
  [
    'all have turned',
    ['b', 'a'],
    [node('n1', ['b', 'a'], 'a'), node('n2', ['b', 'a'])],
    [1, 9],
    { kind: 'move', paths: 9, sealed: ['n1'] },
  ],
  ['only a seal is old', ['b', 'a'], [node('n1', ['b', 'a'], 'a')], [9, 0], { kind: 'move', paths: 0, sealed: ['n1'] }],
  // n1 cannot read what is under a: the move is what helps it.
  ['forgotten too early', ['b', 'a'], [node('n1', ['b'])], [1, 9], { kind: 'move', paths: 9, sealed: [] }],
])('%s', (_name, held, nodes, paths, expected) => {
  expect(keyStep(held, nodes, paths)).toEqual(expected);
});

it('moving is named only when every node holds the first key of this machine, and writes with it', () => {
  const ways = [['a'], ['a', 'b'], ['b', 'a'], ['b']];
  let named = 0;
  for (const held of ways)
    for (const one of ways)
      for (const two of ways) {
        const step = keyStep(held, [node('n1', one), node('n2', two)], held.length === 2 ? [1, 5] : [1]);
        if (step.kind !== 'move') continue;
        named += 1;
        expect([one[0], two[0]]).toEqual([held[0], held[0]]);
      }
  expect(named).toBeGreaterThan(0);
});
