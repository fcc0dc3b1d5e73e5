/** R30: only the lock of the node that was fenced is taken away; one that somebody else holds stays, and holds the VM back. */
import { dropGuestLock, lockRemoval, ownsGuestLock, takeGuestLock } from '../../src/agent/vms/guest-lock.ts';
import type { VmFile } from '../../src/agent/vms/vm-file.ts';
import type { Context } from '../../src/agent/context.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';
import { tree } from '../../src/records/tree.ts';
import { settleIn } from '../support/virtual.ts';

const time = new VirtualTime();
const ensemble = new SimEnsemble(time, 200);
const settle = settleIn(time);
const uuid = '00000000-0000-4000-8000-000000000001';

async function node(name: string): Promise<Context> {
  const process = new SimProcess(time);
  const random = new SeededRandom(name.length);
  const timing = { sessionTimeoutMs: 2000, connectTimeoutMs: 200, reaches: () => true };
  const store = new SimStore({ time, process, ensemble, random, ...timing });
  await time.runUntil(time.nowMs + 50);
  return { env: { clock: process, random, store }, self: { name, incarnation: `${name}-1` } } as unknown as Context;
}

it("the lock of the fenced node is part of what gives its VM away; another node's is not", async () => {
  const [node1, node2] = [await node('node1'), await node('node2')];
  ensemble.vandalise('/vms', '');
  ensemble.vandalise(tree.vm(uuid), '{}');
  const file = { record: { uuid }, version: 0 } as VmFile;
  expect(await settle(lockRemoval(node1, uuid, 'node2'))).toEqual([]);
  expect(await settle(takeGuestLock(node2, file))).toBeNull();
  expect(await settle(lockRemoval(node1, uuid, 'node2'))).toEqual([
    { kind: 'remove', path: tree.vmLock(uuid), version: 0 },
  ]);
  expect(await settle(lockRemoval(node1, uuid, 'node3'))).toEqual([]);
  expect(await settle(takeGuestLock(node1, file))).toEqual({ isHeld: true, because: 'node2 holds its lock' });
});

it('S6: no lock is taken or given up on a record that has changed since', async () => {
  const node3 = await node('node3');
  const other = uuid.replace(/1$/, '2');
  ensemble.vandalise(tree.vm(other), '{}');
  const file = { record: { uuid: other }, version: 0 } as VmFile;
  const old = { ...file, version: 7 };
  expect(await settle(takeGuestLock(node3, old))).toMatchObject({ isHeld: false });
  expect(ensemble.read(tree.vmLock(other)).ok).toBe(false);
  expect(await settle(takeGuestLock(node3, file))).toBeNull();
  expect(await settle(ownsGuestLock(node3, other))).toBe(true);
  expect(await settle(dropGuestLock(node3, old))).toBe(false);
  expect(ensemble.read(tree.vmLock(other)).ok).toBe(true);
  expect(await settle(dropGuestLock(node3, file))).toBe(true);
  expect(ensemble.read(tree.vmLock(other)).ok).toBe(false);
});
