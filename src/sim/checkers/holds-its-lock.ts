/**
 * S2's second line: a VM that runs on its node holds its lock. A node that has a store, a libvirt that answers and a noded that is
 * not frozen takes the lock within a few looks.
 */
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmLock, VmRecord } from '../../records/vm.ts';
import type { SimMachine } from '../machine.ts';
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 500;
/** New sessions, hints that get lost, a look on the beat: all of it fits in. The lock is looked at again every 30 s. */
const graceMs = 45_000;

export function checkHoldsItsLock(world: World): () => string[] {
  const found: string[] = [];
  /** Since when each VM runs without its lock, by UUID and node. */
  const since = new Map<string, number>();
  repeat(world, lookMs, () => {
    const seen = new Set<string>();
    for (const machine of world.machines.values())
      for (const [uuid, { power }] of machine.guests) {
        if (power !== 'running' || !isAble(world, machine) || !lacksLock(world, machine, uuid)) continue;
        const mark = `${uuid} on ${machine.name}`;
        seen.add(mark);
        const sinceMs = since.get(mark) ?? world.time.nowMs;
        since.set(mark, sinceMs);
        if (world.time.nowMs - sinceMs < graceMs) continue;
        found.push(at(world, `${mark} runs without its lock for ${Math.round(graceMs / 1000)} s`));
        since.set(mark, Infinity);
      }
    for (const mark of since.keys()) if (!seen.has(mark)) since.delete(mark);
  });
  return () => found;
}

/** Nothing keeps this machine's noded from holding locks. */
function isAble(world: World, { name, process }: SimMachine): boolean {
  const isUp = process !== null && !process.frozen && world.agents.get(name)?.board.daemonState === 'run';
  const mode = world.libvirtModes.get(name) ?? 'ok';
  return isUp && world.ensemble.isAvailable() && !world.cutFromStore.has(name) && mode === 'ok';
}

/** Its record names this node, a guest of it may run there, and the lock is not that node's. */
export function lacksLock({ ensemble }: World, { name }: Pick<SimMachine, 'name'>, uuid: string): boolean {
  const read = ensemble.read(tree.vm(uuid));
  const parsed = read.ok ? parseRecord(VmRecord, read.value.text) : null;
  if (parsed?.ok !== true || parsed.record.node !== name || !parsed.record.active) return false;
  const lock = ensemble.read(tree.vmLock(uuid));
  const holder = lock.ok ? parseRecord(VmLock, lock.value.text) : null;
  return holder?.ok !== true || holder.record.node !== name;
}
