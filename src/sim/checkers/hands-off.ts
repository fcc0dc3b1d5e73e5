/**
 * A declared maintenance is a person with hands inside the machine: nobody orders its power on or off there unless an operator has asked for
 * just that, and it does not end before its time. Looks at what stands in the store and at the orders that leave, not at what the product says.
 */
import { parseRecord } from '../../records/record.ts';
import { FenceRecord } from '../../records/fence.ts';
import { Maintenance } from '../../records/maintenance.ts';
import { tree } from '../../records/tree.ts';
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 200;
/** It was read before, and a slow BMC takes its time with each order: after so long everybody knows of it. */
const knownAfterMs = 8000;

interface Declared {
  readonly text: string;
  readonly sinceMs: number;
  readonly forMs: number | null;
  /** Nodeds that ran then: one that begins later reads from the store how old the declaration is. */
  readonly lives: ReadonlySet<unknown>;
  /** For how long the store could be read since. */
  readableMs: number;
  /** The store's clock was set before everybody could have read it. */
  isUnseen: boolean;
}

export function checkHandsOff(world: World): () => string[] {
  const found: string[] = [];
  const declared = new Map<string, Declared>();
  let clockErrorMs = 0;
  const look = (path: string) => {
    const read = world.ensemble.read(path);
    const parsed = read.ok && read.value.text !== '' ? parseRecord(Maintenance, read.value.text) : null;
    const before = declared.get(path);
    const nowMs = world.time.nowMs;
    if (parsed?.ok !== true || !parsed.record.on) declared.delete(path);
    else if (read.ok && before?.text !== read.value.text)
      declared.set(path, {
        ...{ text: read.value.text, sinceMs: nowMs, forMs: parsed.record.forMs, readableMs: 0, isUnseen: false },
        lives: new Set(world.agents.values()),
      });
    else if (before !== undefined) {
      if (world.ensemble.clockErrorMs !== clockErrorMs && before.readableMs < knownAfterMs) before.isUnseen = true;
    }
    // Whoever ends it by itself leaves what it was declared for; a person's "off" says nothing of that.
    const isEndedByItself = parsed?.ok === true && !parsed.record.on && parsed.record.forMs !== null;
    const restoredAtMs = world.ensemble.restoredAtMs ?? -Infinity;
    if (!isEndedByItself || before === undefined || before.isUnseen || before.sinceMs < restoredAtMs) return;
    if ([...world.agents.values()].some((agent) => !before.lives.has(agent))) return;
    if (before.forMs !== null && nowMs - before.sinceMs < before.forMs - 1000)
      found.push(at(world, `the maintenance ${path} ended ${before.forMs - (nowMs - before.sinceMs)} ms too early`));
  };
  const paths = () => [tree.maintenance, ...[...world.machines.keys()].map((name) => tree.nodeMaintenance(name))];
  repeat(world, lookMs, () => {
    if (world.ensemble.isAvailable()) for (const one of declared.values()) one.readableMs += lookMs;
    for (const path of paths()) look(path);
    clockErrorMs = world.ensemble.clockErrorMs;
  });
  const before = world.onOrder;
  world.onOrder = (by, target, power) => {
    before(by, target, power);
    for (const path of [tree.maintenance, tree.nodeMaintenance(target)]) look(path);
    const standing = [tree.maintenance, tree.nodeMaintenance(target)].flatMap((path) => declared.get(path) ?? []);
    const readableMs = Math.max(0, ...standing.map((one) => one.readableMs));
    const hasContact = world.stores.get(by)?.session().state === 'connected';
    const read = world.ensemble.read(tree.fence(target));
    const fence = read.ok ? parseRecord(FenceRecord, read.value.text) : null;
    if (fence?.ok !== true || fence.record.requestId !== null) return;
    if (power === 'on' && hasContact && readableMs >= knownAfterMs)
      found.push(at(world, `${by} orders ${target} on, which is in maintenance for ${readableMs} ms`));
  };
  return () => found;
}
