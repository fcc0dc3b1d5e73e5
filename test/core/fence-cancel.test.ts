import type { CancelFacts } from '../../src/core/fence-cancel.ts';
import { cancelRefusal, insteadOfCancel } from '../../src/core/fence-cancel.ts';
import type { FenceState } from '../../src/core/fencing.ts';
import { fenceStates, fenceTable } from '../../src/core/fencing.ts';
import { cancelledBy, noFence } from '../../src/records/fence.ts';

const facts: CancelFacts = {
  target: 'node2',
  state: 'failed',
  fencer: 'node3',
  touched: false,
  attempting: 'ipmi',
  tried: [{ level: 'ipmi', by: 'node3' }],
  rounds: 0,
  publishes: false,
};
const other = { level: 'ipmi', by: 'node1' };

it.each<[string, Partial<CancelFacts>, RegExp | null]>([
  ['the one attempt sent no command', {}, null],
  ['the one attempt sent a command', { touched: true }, /may have taken a power-off command.*nodectl fence confirm/],
  ['a command, and the node publishes', { touched: true, publishes: true }, null],
  ['an earlier attempt: not known', { tried: [other, { level: 'ipmi', by: 'node3' }] }, /it may be off/],
  ['an earlier attempt, and the node publishes', { tried: [other, other], publishes: true }, null],
  ['an earlier round', { rounds: 1 }, /it may be off/],
  ['only a watchdog was waited for before', { tried: [{ level: 'watchdog', by: 'node1' }] }, null],
  ['the first attempt, no command yet', { state: 'intent', tried: [] }, null],
  ['a command may be on its way', { state: 'intent', tried: [], touched: true, publishes: true }, /carried to its end/],
  ['a later attempt, no command yet in it', { state: 'intent', tried: [other] }, /it may be off/],
  ['a later attempt, no command in it, and it publishes', { state: 'intent', tried: [other], publishes: true }, null],
  ['recorded as off', { state: 'finished', publishes: true }, /recorded: there is nothing left to cancel/],
  ['none', { state: 'cancelled' }, /no fence of node2 is under way/],
])('cancel, %s', (_name, change, expected) => {
  const refusal = cancelRefusal({ ...facts, ...change });
  if (expected === null) expect(refusal).toBeNull();
  else expect(refusal).toMatch(expected);
  const { state } = { ...facts, ...change };
  if (state === 'intent' || state === 'failed')
    expect(insteadOfCancel({ ...facts, ...change })).toMatch(/nodectl maintenance on --node node2$/);
});

it('what can be cancelled the table moves, and nothing that is recorded as off', () => {
  for (const state of Object.keys(fenceStates) as FenceState[]) {
    const isAllowed = cancelRefusal({ ...facts, state, tried: [] }) === null;
    expect({ state, moves: 'to' in fenceTable[state].operatorCancels }).toEqual({ state, moves: isAllowed });
    const next = cancelledBy({ ...noFence('node2'), state }, 'root@desk', 'why', 1);
    expect(next?.state ?? null).toBe(isAllowed ? 'cancelled' : null);
  }
});
