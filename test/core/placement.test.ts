import { test as property, fc } from '@fast-check/jest';
import type { PlacementNode, PlacementVm, Selector } from '../../src/core/placement.ts';
import {
  claimOf,
  costOf,
  hindranceOf,
  keptApart,
  placeAll,
  placeOne,
  placementNodes,
  selectors,
} from '../../src/core/placement.ts';

const node = (name: string, more: Partial<PlacementNode> = {}): PlacementNode => ({
  name,
  hindrance: null,
  memoryMiB: 1000,
  cores: 4,
  load: 1,
  promisedMiB: 0,
  promisedVcpus: 0,
  vms: 0,
  groups: new Map(),
  ...more,
});
const vm = (more: Partial<PlacementVm> = {}): PlacementVm => ({
  name: 'vm1',
  memoryMiB: 100,
  vcpus: 1,
  selector: 'mem',
  limit: [],
  antiAffinity: [],
  ...more,
});
const names = ['node1', 'node2', 'node3', 'node4'];
const someGroups = ['db', 'web'];
const someNode = fc.record({
  hindrance: fc.option(fc.constant('it is in maintenance'), { freq: 3 }),
  memoryMiB: fc.option(fc.integer({ min: 0, max: 4000 }), { freq: 5 }),
  cores: fc.option(fc.integer({ min: 1, max: 64 }), { freq: 5 }),
  load: fc.option(fc.double({ min: 0, max: 50, noNaN: true }), { freq: 5 }),
  promisedMiB: fc.integer({ min: 0, max: 4000 }),
  promisedVcpus: fc.integer({ min: 0, max: 100 }),
  vms: fc.integer({ min: 0, max: 50 }),
  groups: fc.subarray(someGroups).map((groups) => new Map(groups.map((group) => [group, 'old'] as const))),
});
const someNodes = fc
  .array(someNode, { minLength: 1, maxLength: 4 })
  .map((all) => all.map((one, at) => ({ name: names[at] ?? '', ...one })));
const someVm = fc.record({
  name: fc.string({ minLength: 1, maxLength: 5 }),
  memoryMiB: fc.integer({ min: 1, max: 3000 }),
  vcpus: fc.integer({ min: 1, max: 16 }),
  selector: fc.constantFrom(...(Object.keys(selectors) as Selector[])),
  limit: fc.subarray(names),
  antiAffinity: fc.subarray(someGroups),
});

property.prop([someVm, someNodes, fc.constantFrom(null, ...names)])(
  'R14: never the source, never over memory, never where it may not; always the best by its own measure',
  (wanted, nodes, source) => {
    const placed = placeOne(wanted, nodes, source);
    const fit = nodes.filter((one) => hindranceOf(wanted, one, source) === null);
    if (placed.node === null) {
      expect(fit).toEqual([]);
      return;
    }
    const chosen = nodes.find((one) => one.name === placed.node);
    if (chosen === undefined) throw new Error('a node that does not exist');
    expect(chosen.name).not.toBe(source);
    expect((chosen.memoryMiB ?? 0) - chosen.promisedMiB).toBeGreaterThanOrEqual(wanted.memoryMiB);
    expect(chosen.hindrance).toBeNull();
    for (const group of wanted.antiAffinity) expect(chosen.groups.has(group)).toBe(false);
    if (wanted.limit.length > 0) expect(wanted.limit).toContain(chosen.name);
    for (const other of fit)
      expect(costOf(wanted.selector, chosen)).toBeLessThanOrEqual(costOf(wanted.selector, other));
  },
);

property.prop([
  fc.uniqueArray(someVm, { maxLength: 12, selector: (one) => one.name }),
  someNodes,
  fc.constantFrom(null, ...names),
])(
  'a plan for many never promises more memory than a node has, and leaves out nobody that still fits',
  (vms, nodes, source) => {
    const plan = placeAll(vms, nodes, source);
    expect(plan.size).toBe(vms.length);
    for (const one of nodes) {
      const put = vms.filter((wanted) => plan.get(wanted.name)?.node === one.name);
      const sum = put.reduce((total, wanted) => total + wanted.memoryMiB, 0);
      if (put.length > 0) expect(one.promisedMiB + sum).toBeLessThanOrEqual(one.memoryMiB ?? 0);
    }
  },
);

property.prop([fc.uniqueArray(someVm, { maxLength: 12, selector: (one) => one.name }), someNodes])(
  'R29: a plan never puts two of one anti-affinity group on a node, nor one beside those that are there',
  (vms, nodes) => {
    const plan = placeAll(vms, nodes, null);
    for (const one of nodes)
      for (const group of someGroups) {
        const put = vms.filter(
          (wanted) => plan.get(wanted.name)?.node === one.name && wanted.antiAffinity.includes(group),
        );
        expect(put.length + (one.groups.has(group) ? 1 : 0)).toBeLessThanOrEqual(1);
      }
  },
);

it("R29: who is kept apart from whom is said by name; its own claim is in nobody's way", () => {
  const claims = [
    { name: 'db1', nodes: ['node1', 'node2'], memoryMiB: 1, vcpus: 1, antiAffinity: ['db'] },
    { name: 'web1', nodes: ['node3'], memoryMiB: 1, vcpus: 1, antiAffinity: [] },
  ];
  const db2 = { name: 'db2', antiAffinity: ['db'] };
  expect(keptApart(db2, 'node2', claims)).toBe('db1 is there (anti-affinity "db")');
  expect(keptApart(db2, 'node3', claims)).toBeNull();
  expect(keptApart({ ...db2, name: 'db1' }, 'node1', claims)).toBeNull();
  const off = { name: 'db1', node: 'node1', active: false, state: 'stop', memoryMiB: 1, vcpus: 1 } as const;
  expect(claimOf({ ...off, move: null, antiAffinity: ['db'] }).nodes).toEqual([]);
  expect(claimOf({ ...off, active: true, move: { target: 'node2' }, antiAffinity: ['db'] }).nodes).toEqual([
    'node1',
    'node2',
  ]);
});

it.each<[Selector, string]>([
  ['mem', 'node2'],
  ['vcpus', 'node3'],
  ['load', 'node1'],
  ['vms', 'node4'],
])('by %s: %s', (selector, best) => {
  const nodes = [
    node('node1', { promisedMiB: 300, promisedVcpus: 8, load: 0.1, vms: 3 }),
    node('node2', { promisedMiB: 100, promisedVcpus: 8, load: 3, vms: 3 }),
    node('node3', { promisedMiB: 300, promisedVcpus: 1, load: 3, vms: 3 }),
    node('node4', { promisedMiB: 300, promisedVcpus: 8, load: 3, vms: 0 }),
  ];
  expect(placeOne(vm({ selector }), nodes, null).node).toBe(best);
});

it('ties go by name, and who does not fit anywhere is told why, node by node', () => {
  expect(placeOne(vm(), [node('node2'), node('node1')], null).node).toBe('node1');
  const none = placeOne(
    vm({ memoryMiB: 2000 }),
    [node('node1'), node('node2', { hindrance: 'it is being fenced' })],
    'node1',
  );
  expect(none).toEqual({ node: null, because: 'node1: it is there already; node2: it is being fenced' });
});

it('a VM on its way counts on both sides; who does not work normally takes none', () => {
  const base = {
    name: 'node1',
    reservedMiB: 100,
    daemonState: 'run',
    hasSession: true,
    isBeingFenced: false,
    maintenance: null,
    isDraining: false,
    libvirtTrouble: null,
    totalMiB: 1000,
    cores: 4,
    load: 1,
  };
  const claim = { name: 'vm1', nodes: ['node1', 'node2'], memoryMiB: 64, vcpus: 2, antiAffinity: [] };
  const seen = (more: Partial<typeof base> | object) => placementNodes([{ ...base, ...more }], [claim])[0];
  expect(seen({})).toMatchObject({ memoryMiB: 900, promisedMiB: 64, promisedVcpus: 2, vms: 1, hindrance: null });
  expect(seen({ reservedMiB: null })?.hindrance).toMatch(/runs no VMs/);
  expect(seen({ hasSession: false })?.hindrance).toMatch(/not there/);
  expect(seen({ daemonState: 'shutdown' })?.hindrance).toMatch(/"shutdown"/);
  expect(seen({ maintenance: 'disks' })?.hindrance).toMatch(/maintenance: disks/);
  expect(seen({ isDraining: true })?.hindrance).toMatch(/being emptied/);
  expect(seen({ isBeingFenced: true })?.hindrance).toMatch(/being fenced/);
  expect(seen({ libvirtTrouble: 'no answer' })?.hindrance).toMatch(/libvirt does not answer/);
});
