import { test as property, fc } from '@fast-check/jest';
import type { OtherCoordinator, QuorumFacts } from '../../src/core/quorum-recovery.ts';
import { inNameOrder, judgeQuorum, powerByLevels } from '../../src/core/quorum-recovery.ts';

const other = (name: string, more: Partial<OtherCoordinator> = {}): OtherCoordinator => ({
  name,
  answer: 'nothing',
  excused: null,
  power: 'off',
  ...more,
});
const facts: QuorumFacts = {
  self: 'node2',
  enabled: true,
  awayMs: 60_000,
  patienceMs: 10_000,
  others: [other('node1'), other('node3')],
  sinceLastMs: Infinity,
  cooldownMs: 120_000,
  startedWithout: false,
};

it('the only survivor powers on the first that reads off', () => {
  expect(judgeQuorum(facts)).toMatchObject({ verdict: 'power-on', evidence: { node: 'node1' } });
});

it('two survivors choose different machines, ranked as people count', () => {
  const others = [other('node1'), other('node2'), other('node10', { answer: 'store-away' }), other('node4')];
  expect(judgeQuorum({ ...facts, self: 'node9', others }).evidence['node']).toBe('node1');
  const seen = others.map((one) => (one.name === 'node10' ? other('node9', { answer: 'store-away' }) : one));
  expect(judgeQuorum({ ...facts, self: 'node10', others: seen }).evidence['node']).toBe('node2');
});

it.each<[string, Partial<QuorumFacts>, RegExp]>([
  ['the store is away for a moment only', { awayMs: 9999 }, /after 10 s it is looked into/],
  [
    'somebody reaches the store',
    { others: [other('node1', { answer: 'store-there' }), other('node3')] },
    /it is this node that is cut off/,
  ],
  ['it is forbidden', { enabled: false }, /quorumRecovery is off/],
  ['everybody has power', { others: [other('node1', { power: 'on' })] }, /node1 \(power on\)/],
  ['nothing can be read', { others: [other('node1', { power: 'unknown' })] }, /node1 \(power unknown\)/],
  [
    'who is away on purpose is left off',
    { others: [other('node1', { excused: 'it stopped in good order' })] },
    /no missing coordinator reads off/,
  ],
  ['one was powered on a moment ago', { sinceLastMs: 5000 }, /waits 2 min in all/],
  [
    // On the lab a machine that a survivor had powered on went on to power on the third, before ZooKeeper had its quorum.
    'it may itself have been powered on a moment ago',
    { self: 'node1', startedWithout: true, others: [other('node2', { answer: 'store-away' }), other('node3')] },
    /started while the store was away; node2 may have been there longer, so it waits 2 min/,
  ],
  [
    'it is the turn of another survivor',
    { others: [other('node1', { answer: 'store-away' }), other('node3')] },
    /turn of one survivor: node1/,
  ],
])('nothing is done when %s', (_when, more, because) => {
  expect(judgeQuorum({ ...facts, ...more })).toMatchObject({
    verdict: 'wait',
    because: expect.stringMatching(because) as string,
  });
});

const answers = fc.constantFrom<OtherCoordinator['answer']>('store-away', 'nothing');
property.prop([fc.array(fc.record({ answer: answers, off: fc.boolean() }), { minLength: 1, maxLength: 9 })])(
  'survivors with the same sight never choose the same machine, and never one that has power',
  (rows) => {
    const all = rows.map(
      ({ answer, off }, index) => ({ name: `node${index + 1}`, answer, power: off ? 'off' : 'on' }) as const,
    );
    const chosen = all
      .filter((one) => one.answer === 'store-away')
      .flatMap((self) => {
        const others = all
          .filter((one) => one !== self)
          .map((one) => other(one.name, { answer: one.answer, power: one.power }));
        const { verdict, evidence } = judgeQuorum({ ...facts, self: self.name, others });
        return verdict === 'power-on' ? [evidence['node']] : [];
      });
    expect(new Set(chosen).size).toBe(chosen.length);
    for (const name of chosen)
      expect(all.find((one) => one.name === name)).toMatchObject({ answer: 'nothing', power: 'off' });
  },
);

it('names are ordered as people count', () => {
  expect(inNameOrder(['node10', 'node2', 'a', 'node1'])).toEqual(['a', 'node1', 'node2', 'node10']);
});

it('a noded that was started without the store acts when it is the only one, or when its time is over', () => {
  expect(judgeQuorum({ ...facts, startedWithout: true }).verdict).toBe('power-on');
  const others = [other('node1', { answer: 'store-away' }), other('node3')];
  expect(judgeQuorum({ ...facts, self: 'node0', startedWithout: true, others, awayMs: 120_000 }).verdict).toBe(
    'power-on',
  );
});

describe("a missing coordinator's power, by its levels", () => {
  const levels = [['ipmi'], ['pdu-a', 'pdu-b'], ['watchdog']];
  it.each([
    ['off', 'on', 'on', 'off'],
    ['unknown', 'off', 'off', 'off'],
    ['on', 'off', 'off', 'off'],
    ['on', 'off', 'on', 'on'],
    ['unknown', 'off', 'unknown', 'unknown'],
    ['unknown', 'unknown', 'unknown', 'unknown'],
  ] as const)('ipmi %s, outlets %s and %s: %s', (ipmi, a, b, power) => {
    expect(
      powerByLevels(
        levels,
        new Map([
          ['ipmi', ipmi],
          ['pdu-a', a],
          ['pdu-b', b],
        ]),
      ),
    ).toBe(power);
  });

  it('without a device nothing is known', () => {
    expect(powerByLevels([], new Map())).toBe('unknown');
    expect(powerByLevels([['watchdog'], []], new Map())).toBe('unknown');
  });
});
