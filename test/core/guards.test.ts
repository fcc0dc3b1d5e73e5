import { guards, maxUnhealthyDefault, refusals } from '../../src/core/guards.ts';
import type { GuardFacts } from '../../src/core/guards.ts';

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
