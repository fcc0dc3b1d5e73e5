import { guards, maxUnhealthyDefault, refusals, silentForAny, silentTogether } from '../../src/core/guards.ts';
import type { GuardFacts, SeenSilence } from '../../src/core/guards.ts';

const passing: GuardFacts = {
  self: 'node1',
  target: 'node2',
  fencingEnabled: true,
  sessionLive: true,
  contactAgeMs: 500,
  contactMaxMs: 2000,
  lateMs: 0,
  intervalMs: 1000,
  quietLeftMs: 0,
  steppedDown: false,
  targetState: 'run',
  clusterMaintenance: null,
  targetMaintenance: null,
  nodesTotal: 5,
  silentNodes: ['node2'],
  maxUnhealthy: 3,
  fencesInFlight: [],
  maxConcurrentFences: 1,
  askedByOperator: false,
};

/** Each guard, with the facts that make it hold and whether an operator's own word overrules it. */
const rows: readonly [string, Partial<GuardFacts>, boolean][] = [
  ['enabled', { fencingEnabled: false }, true],
  ['self', { self: 'node2' }, false],
  ['session', { sessionLive: false }, false],
  ['contact', { contactAgeMs: 2001 }, false],
  ['contact', { contactAgeMs: null }, false],
  ['pause', { lateMs: 1001 }, false],
  ['quiet', { quietLeftMs: 1 }, true],
  ['stepped-down', { steppedDown: true }, false],
  ['stopped', { targetState: 'stop' }, true],
  ['cluster-maintenance', { clusterMaintenance: 'moving racks' }, true],
  ['node-maintenance', { targetMaintenance: 'new disk' }, true],
  ['storm', { silentNodes: ['node2', 'node3', 'node4'] }, true],
  ['concurrency', { fencesInFlight: ['node3'] }, false],
];

it('a healthy observer of one dead node may fence', () => {
  expect(refusals(passing)).toEqual([]);
});

it.each(rows)('S3: guard "%s" holds on its own, with a sentence', (name, facts, operatorOverrules) => {
  const held = refusals({ ...passing, ...facts });
  expect(held.map((refusal) => refusal.guard)).toEqual([name]);
  expect(held[0]?.because.length).toBeGreaterThan(15);
  const asked = refusals({ ...passing, ...facts, askedByOperator: true });
  expect(asked.map((refusal) => refusal.guard)).toEqual(operatorOverrules ? [] : [name]);
});

it('every guard has a row here', () => {
  expect([...new Set(rows.map(([name]) => name))].sort()).toEqual(guards.map((guard) => guard.name).sort());
});

it('the fence of the target itself does not count against it', () => {
  expect(refusals({ ...passing, fencesInFlight: ['node2'] })).toEqual([]);
});

it('the storm guard begins at half of the nodes, but never at one', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 50].map(maxUnhealthyDefault)).toEqual([2, 2, 2, 2, 3, 3, 4, 25]);
});

describe('who is silent together, of six saving throws', () => {
  const seen = (verdict: SeenSilence['verdict'], throws: number, isOff = false): SeenSilence => ({
    verdict,
    throws,
    isOff,
  });
  const observer = (name: string, views: Record<string, SeenSilence>) => ({
    name,
    views: new Map(Object.entries(views)),
  });
  const dead = seen('dead', 6);
  const nobody = new Set<string>();

  it.each([
    ['one throw is everyday', seen('silent', 1), false],
    ['less than half of the throws', seen('silent', 2), false],
    ['half of them', seen('silent', 3), true],
    ['all of them', dead, true],
    ['all of them, and it is known to be off', seen('dead', 6, true), false],
    ['dead early, by a reading of its power', seen('dead', 1, true), false],
    ['not counted: a quiet period, or garbage', seen('unknown', 6), false],
    ['stopped cleanly', seen('stopped', 0), false],
  ])('%s', (_what, view, counts) => {
    expect(silentTogether([['node2', view]], 6)).toEqual(counts ? ['node2'] : []);
  });

  it('the target counts, as it will when its verdict falls, unless it is known to be off', () => {
    expect(silentForAny('node2', [observer('node1', {})], 6, nobody)).toEqual(['node2']);
    expect(
      silentForAny('node2', [observer('node1', { node2: seen('dead', 1, true), node3: dead })], 6, nobody),
    ).toEqual(['node3']);
  });

  it('the verdict by power of one observer stands beside that by saving throws of another: the first may fence', () => {
    const byPower = observer('node1', { node2: seen('dead', 6, true) });
    const byThrows = observer('node3', { node2: dead, node4: seen('silent', 1) });
    expect(silentForAny('node4', [byPower, byThrows], 6, nobody)).toEqual(['node4']);
  });

  it('what two observers see is not added up: each asks its own views', () => {
    const observers = [observer('node1', { node3: dead }), observer('node2', { node4: dead })];
    expect(silentForAny('node5', observers, 6, nobody)).toEqual(['node3', 'node5']);
  });

  it('an observer in its quiet period will count as the others do', () => {
    const quiet = observer('node1', { node3: seen('unknown', 0) });
    expect(silentForAny('node2', [quiet, observer('node4', { node3: dead })], 6, nobody)).toEqual(['node2', 'node3']);
  });

  it('who is in a declared maintenance does not count, and the observer that would be first is sought without them', () => {
    const observers = [
      observer('node1', { node3: dead, node4: dead }),
      observer('node2', { node5: dead }),
      observer('node6', { node2: dead, node5: dead }),
    ];
    expect(silentForAny('node7', observers, 6, new Set(['node3', 'node4']))).toEqual(['node7']);
    expect(silentForAny('node7', observers, 6, new Set(['node7']))).toEqual(['node5']);
    expect(silentForAny('node7', [], 6, new Set(['node7']))).toEqual([]);
  });

  it('no observer is left: the target alone', () => {
    expect(silentForAny('node2', [], 6, nobody)).toEqual(['node2']);
  });
});
