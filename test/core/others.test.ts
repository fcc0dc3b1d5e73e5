import { test as property, fc } from '@fast-check/jest';
import type { Attempt, Proof } from '../../src/core/fencers.ts';
import type { DeviceUse } from '../../src/core/device-trust.ts';
import {
  barredLevels,
  fencersTurn,
  lateLevels,
  ownAttempt,
  plannedAttempts,
  proofOf,
  upcoming,
} from '../../src/core/fencers.ts';
import { displayedState } from '../../src/core/node.ts';
import type { NodeFacts } from '../../src/core/node.ts';
import { monitors, observedBy, verifiedBy } from '../../src/core/observers.ts';
import type { RankedNode } from '../../src/core/observers.ts';
import { coverage, judgeProbe, sameGuid, sameGuids } from '../../src/core/verification.ts';
import type { BmcProbe } from '../../src/core/verification.ts';
import { inWords } from '../../src/core/decision.ts';

describe('who observes whom', () => {
  const node = (name: string, more: Partial<RankedNode> = {}): RankedNode => ({
    name,
    role: 'coordinator',
    priority: 100,
    present: true,
    ...more,
  });
  const five = ['a', 'b', 'c', 'd', 'e'].map((name) => node(name));

  it('the first three coordinators by rank watch everybody, the others watch the monitors', () => {
    const nodes = [...five, node('w', { role: 'worker' })];
    expect(monitors(nodes)).toEqual(['a', 'b', 'c']);
    expect(observedBy('b', nodes)).toEqual(['a', 'c', 'd', 'e', 'w']);
    expect(observedBy('e', nodes)).toEqual(['a', 'b', 'c']);
    expect(observedBy('w', nodes)).toEqual([]);
  });

  it('priority goes before the name; who is away makes room', () => {
    expect(monitors([...five.slice(0, 4), node('z', { priority: 1 })])).toEqual(['z', 'a', 'b']);
    expect(monitors([node('a', { present: false }), ...five.slice(1)])).toEqual(['b', 'c', 'd']);
  });

  it('who ranks above a monitor and is away is observed by everybody: it stays known as away until it is seen again', () => {
    const nodes = [node('a', { present: false }), ...five.slice(1)];
    expect(observedBy('e', nodes)).toEqual(['a', 'b', 'c', 'd']);
  });

  const anyNodes = fc.uniqueArray(
    fc.record({
      name: fc.stringMatching(/^[a-z]{1,4}$/),
      role: fc.constantFrom('coordinator' as const, 'worker' as const),
      priority: fc.nat(3),
      present: fc.boolean(),
    }),
    { selector: (n) => n.name, maxLength: 12 },
  );

  property.prop([anyNodes])(
    'nobody observes itself, and every node is observed when two coordinators are present',
    (nodes) => {
      for (const { name } of nodes) expect(observedBy(name, nodes)).not.toContain(name);
      const present = nodes.filter((n) => n.role === 'coordinator' && n.present);
      if (present.length < 2) return;
      for (const { name } of nodes)
        expect(present.some((observer) => observedBy(observer.name, nodes).includes(name))).toBe(true);
    },
  );

  describe('who verifies whose fence devices', () => {
    const seven = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => node(name));
    const all = [...seven, node('w1', { role: 'worker' }), node('w2', { role: 'worker' })];
    const of = (name: string, nodes: readonly RankedNode[] = all) => [...verifiedBy(name, nodes)].sort();

    it('the monitors and the one that would move up verify everybody, the others what they observe or would, a worker itself', () => {
      for (const name of ['a', 'b', 'c', 'd']) expect(of(name)).toEqual(all.map((one) => one.name));
      for (const name of ['e', 'f', 'g']) expect(of(name)).toEqual(['a', 'b', 'c', 'd', name]);
      expect(of('w1')).toEqual(['w1']);
    });

    it('a monitor that is away makes room for the next one to stand in', () => {
      const nodes = all.map((one) => (one.name === 'b' ? { ...one, present: false } : one));
      expect(of('e', nodes)).toEqual(all.map((one) => one.name));
      expect(of('f', nodes)).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    });

    it('up to four coordinators verify everybody, as does each of five coordinators without workers', () => {
      const four = [...seven.slice(0, 4), node('w', { role: 'worker' })];
      for (const { name } of seven.slice(0, 4)) expect(of(name, four)).toEqual(['a', 'b', 'c', 'd', 'w']);
      for (const { name } of five) expect(of(name, five)).toEqual(['a', 'b', 'c', 'd', 'e']);
    });

    property.prop([anyNodes])(
      'two present others, or all where there are fewer, verify each node; after any one is gone its observers had verified it',
      (nodes) => {
        const present = nodes.filter((n) => n.role === 'coordinator' && n.present);
        for (const { name } of nodes) {
          const others = present.filter((n) => n.name !== name);
          const by = others.filter((n) => verifiedBy(n.name, nodes).has(name));
          expect(by.length).toBeGreaterThanOrEqual(Math.min(2, others.length));
        }
        for (const gone of present) {
          const left = nodes.map((n) => (n === gone ? { ...n, present: false } : n));
          for (const { name } of present.filter((n) => n !== gone))
            for (const target of observedBy(name, left)) expect(verifiedBy(name, nodes)).toContain(target);
        }
      },
    );

    property.prop([fc.integer({ min: 5, max: 20 }), fc.nat(60)])(
      'a device is verified by four coordinators however many there are; only those of the first four by all',
      (coordinators, workers) => {
        const name = (prefix: string, index: number) => `${prefix}${String(index).padStart(2, '0')}`;
        const nodes = [
          ...Array.from({ length: coordinators }, (_, index) => node(name('c', index))),
          ...Array.from({ length: workers }, (_, index) => node(name('w', index), { role: 'worker' })),
        ];
        const sets = nodes.slice(0, coordinators).map((one) => [one.name, verifiedBy(one.name, nodes)] as const);
        for (const target of nodes.slice(4))
          expect(sets.filter(([by, set]) => by !== target.name && set.has(target.name))).toHaveLength(4);
      },
    );
  });
});

describe('who fences, and by which level', () => {
  const base = {
    candidates: ['a', 'b', 'c', 't'].map((name) => ({ name, priority: 100 })),
    target: 't',
    levels: ['ipmi', 'pdu'],
    proof: (): Proof => 'holds',
    standing: () => ({ use: 'ordinary' as DeviceUse, because: '' }),
    tried: [{ level: 'ipmi', by: 'a' }],
    rounds: 0,
    sinceSeenMs: 0,
    backoffMs: 10_000,
    backoffMaxMs: 60_000,
    turnMs: 2000,
  };
  const every = base.levels.flatMap((level) => ['a', 'b', 'c'].map((by) => ({ level, by })));

  it('level by level, within a level by rank; the next at once, the one after when that one stays silent, never the target', () => {
    expect(plannedAttempts(base).map(({ level, by }) => `${level} ${by}`)).toEqual([
      'ipmi a',
      'ipmi b',
      'ipmi c',
      'pdu a',
      'pdu b',
      'pdu c',
    ]);
    expect(fencersTurn({ ...base, self: 'b' })).toMatchObject({ mine: { level: 'ipmi', by: 'b' }, newRound: false });
    expect(fencersTurn({ ...base, self: 'c' }).mine).toBeNull();
    expect(fencersTurn({ ...base, self: 'c', sinceSeenMs: 2000 }).mine).toEqual({ level: 'ipmi', by: 'c' });
    expect(fencersTurn({ ...base, self: 'a' }).mine).toBeNull();
    expect(fencersTurn({ ...base, self: 'a', sinceSeenMs: 4000 }).mine).toEqual({ level: 'pdu', by: 'a' });
    expect(fencersTurn({ ...base, self: 't', tried: every, sinceSeenMs: 1e9 }).mine).toBeNull();
  });

  it('when everything was tried, a new round begins after a pause that doubles, up to its limit', () => {
    const all = { ...base, self: 'a', tried: every };
    expect(fencersTurn({ ...all, sinceSeenMs: 9999 })).toMatchObject({ mine: null, newRound: true });
    expect(fencersTurn({ ...all, sinceSeenMs: 10_000 })).toMatchObject({
      mine: { level: 'ipmi', by: 'a' },
      newRound: true,
    });
    expect(fencersTurn({ ...all, rounds: 1, sinceSeenMs: 19_999 }).mine).toBeNull();
    expect(fencersTurn({ ...all, rounds: 30, sinceSeenMs: 60_000 }).mine).not.toBeNull();
  });

  it('upcoming: who tries next, by which level, and after which pause', () => {
    const facts = { ...base, tried: [{ level: 'ipmi', by: 'a' }], rounds: 0, backoffMs: 10_000, backoffMaxMs: 60_000 };
    expect(upcoming(facts)).toEqual({ level: 'ipmi', by: 'b', newRound: false, waitMs: 0 });
    const tried = plannedAttempts(base);
    expect(upcoming({ ...facts, tried, rounds: 1 })).toEqual({
      level: 'ipmi',
      by: 'a',
      newRound: true,
      waitMs: 20_000,
    });
    expect(upcoming({ ...facts, levels: [] })).toMatchObject({ level: 'manual', by: 'a', newRound: true });
    expect(upcoming({ ...facts, candidates: [] })).toBeNull();
  });

  it('what is proved to fail comes after everything else, and is tried all the same', () => {
    const proof = ({ by, level }: Attempt): Proof => (level === 'ipmi' && by !== 'c' ? 'failed' : 'holds');
    const order = plannedAttempts({ ...base, proof }).map(({ level, by }) => `${level} ${by}`);
    expect(order).toEqual(['ipmi c', 'pdu a', 'pdu b', 'pdu c', 'ipmi a', 'ipmi b']);
    const none = { ...base, proof: (): Proof => 'failed' };
    expect(plannedAttempts(none)).toHaveLength(6);
    expect(lateLevels({ ...base, proof })).toEqual([]);
    const because = 'it was verified to fail from every coordinator';
    expect(lateLevels(none)).toEqual([
      { level: 'ipmi', because, isAllThereIs: true },
      { level: 'pdu', because, isAllThereIs: true },
    ]);
  });

  it('D1, D2: a barred device is not tried at all, whatever else fails; D3: a distrusted one comes last', () => {
    const barred = {
      ...base,
      standing: (level: string) => ({ use: level === 'ipmi' ? 'never' : 'ordinary', because: 'b' }) as const,
    };
    expect(plannedAttempts({ ...barred, proof: (): Proof => 'failed' }).map(({ level }) => level)).toEqual([
      'pdu',
      'pdu',
      'pdu',
    ]);
    expect(barredLevels(barred)).toEqual([{ level: 'ipmi', because: 'b' }]);
    expect(lateLevels({ ...barred, proof: (): Proof => 'failed' }).map(({ level }) => level)).toEqual(['pdu']);
    const last = {
      ...base,
      standing: (level: string) => ({ use: level === 'ipmi' ? 'last' : 'ordinary', because: 'd' }) as const,
    };
    const failing = ({ level }: Attempt): Proof => (level === 'pdu' ? 'failed' : 'holds');
    expect(plannedAttempts({ ...last, proof: failing }).map(({ level }) => level)).toEqual([
      'pdu',
      'pdu',
      'pdu',
      'ipmi',
      'ipmi',
      'ipmi',
    ]);
    const none = { ...base, standing: () => ({ use: 'never', because: 'n' }) as const, self: 'a', tried: [] };
    expect(fencersTurn({ ...none, sinceSeenMs: 60_000 }).mine).toEqual({ level: 'manual', by: 'a' });
  });

  it('who has not verified the node is taken to fail where all fail that did: nobody waits for it', () => {
    const says = (ipmi: string, pdu = 'holds') => [
      { level: 'ipmi', proof: ipmi },
      { level: 'pdu', proof: pdu },
    ];
    const verified = new Map([
      ['a', says('failed')],
      ['b', says('failed', 'failed')],
    ]);
    expect(proofOf({ by: 'a', level: 'ipmi' }, verified)).toBe('failed');
    expect(proofOf({ by: 'c', level: 'ipmi' }, verified)).toBe('failed');
    expect(proofOf({ by: 'a', level: 'pdu' }, verified)).toBe('holds');
    expect(proofOf({ by: 'c', level: 'pdu' }, verified)).toBe('unknown');
    expect(proofOf({ by: 'c', level: 'ipmi' }, new Map())).toBe('unknown');
    const plan = { ...base, proof: (attempt: Attempt) => proofOf(attempt, verified) };
    expect(ownAttempt(plan, 'a').attempt).toEqual({ level: 'pdu', by: 'a' });
    expect(lateLevels(plan).map(({ level }) => level)).toEqual(['ipmi']);
  });

  it('who writes the intent goes first itself, unless another one can do better', () => {
    expect(ownAttempt(base, 'c').attempt).toEqual({ level: 'ipmi', by: 'c' });
    const proof = ({ by, level }: Attempt): Proof => (level === 'ipmi' && by === 'a' ? 'failed' : 'holds');
    expect(ownAttempt({ ...base, proof }, 'a')).toEqual({ attempt: null, next: { level: 'ipmi', by: 'b' } });
    const hopeless = { ...base, proof: (): Proof => 'failed' };
    expect(ownAttempt(hopeless, 'b').attempt).toEqual({ level: 'ipmi', by: 'b' });
    expect(ownAttempt({ ...base, candidates: [] }, 'a')).toEqual({ attempt: null, next: null });
  });
});

describe('what a probe proves', () => {
  const proved = {
    address: 'proved',
    cipher: 'proved',
    password: 'proved',
    privilege: 'proved',
    power: 'proved',
    identity: 'proved',
  } as const;
  const probe: BmcProbe = {
    checks: proved,
    fault: null,
    detail: '',
    power: 'on',
    cipherSuite: 3,
    guid: null,
    tookMs: 42,
  };
  const smbios = '12345678-9abc-def0-1122-334455667788';

  it('can fence only when everything before the power order is proved', () => {
    expect(judgeProbe(probe, null)).toMatchObject({ canFence: true, fault: null });
    expect(judgeProbe({ ...probe, fault: 'privilege-too-low' }, null)).toMatchObject({
      canFence: false,
      fault: 'privilege-too-low',
    });
    expect(judgeProbe({ ...probe, power: 'unknown' }, null)).toMatchObject({ canFence: false, fault: 'nonsense' });
    expect(judgeProbe({ ...probe, fault: 'wrong-credentials' }, null).advice).toMatch(/passwordFile/);
  });

  it('the BMC of another machine is refused; either byte order is the same machine', () => {
    expect(judgeProbe({ ...probe, guid: smbios }, smbios).canFence).toBe(true);
    expect(judgeProbe({ ...probe, guid: '78563412-bc9a-f0de-1122-334455667788' }, smbios).canFence).toBe(true);
    expect(judgeProbe({ ...probe, guid: '00000000-0000-0000-0000-000000000001' }, smbios)).toMatchObject({
      canFence: false,
      fault: 'other-machine',
    });
    expect(sameGuid('12345678-9ABC-DEF0-1122-334455667788', smbios)).toBe(true);
  });

  it('a claim that was not compared is not made', () => {
    expect(judgeProbe({ ...probe, guid: smbios }, null).because).toMatch(/could not be compared/);
  });

  it('two nodes whose BMCs report one GUID are found', () => {
    const guids = new Map([
      ['a', smbios],
      ['b', '00000000-0000-0000-0000-000000000002'],
      ['d', '00000000-0000-0000-0000-000000000002'],
    ]);
    expect(sameGuids(guids)).toEqual([['b', 'd']]);
  });

  it('every node needs two fencers, or all others in a small cluster', () => {
    const all = () => true;
    expect(coverage(['a', 'b', 'c'], ['a', 'b', 'c'], all).map((entry) => [entry.needed, entry.enough])).toEqual([
      [2, true],
      [2, true],
      [2, true],
    ]);
    expect(coverage(['a', 'b'], ['a', 'b'], all).map((entry) => [entry.needed, entry.enough])).toEqual([
      [1, true],
      [1, true],
    ]);
    expect(coverage(['a'], ['a'], all)[0]).toMatchObject({ by: [], enough: false });
    const one = (by: string) => by === 'a';
    expect(coverage(['a', 'b', 'c'], ['a', 'b', 'c'], one).map((entry) => entry.enough)).toEqual([false, false, false]);
  });
});

describe('the state that people see', () => {
  const keepalive = { state: 'run', incarnation: 'life-1' } as const;
  const rows: readonly [string, Partial<NodeFacts>, string][] = [
    ['a node that works', {}, 'run'],
    ['never seen', { keepalive: null }, 'unknown'],
    ['stopped in order, and silent for long', { keepalive: { ...keepalive, state: 'stop' }, stale: true }, 'stop'],
    ['held for dead', { heldForDead: true }, 'dead'],
    ['silent, nobody left to judge', { stale: true }, 'unknown'],
    ['being fenced', { heldForDead: true, fence: { standing: 'under-way', incarnation: 'life-1' } }, 'fencing'],
    ['fenced', { heldForDead: true, fence: { standing: 'fenced', incarnation: 'life-1' } }, 'fenced'],
    ['could not be fenced', { fence: { standing: 'failed', incarnation: 'life-1' } }, 'fence-failed'],
    [
      'come back: the old fence says nothing of the new life',
      { fence: { standing: 'fenced', incarnation: 'life-0' } },
      'run',
    ],
  ];
  it.each(rows)('%s', (_what, facts, expected) => {
    expect(displayedState({ keepalive, fence: null, heldForDead: false, stale: false, ...facts })).toBe(expected);
  });
});

it('durations in sentences', () => {
  expect([3, 999, 1000, 1234, 61_000, 150_000].map(inWords)).toEqual([
    '3 ms',
    '999 ms',
    '1 s',
    '1.2 s',
    '61 s',
    '2.5 min',
  ]);
});
