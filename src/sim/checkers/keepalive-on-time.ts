/**
 * S8 as code: whatever hangs beside it, a noded that runs and has its store writes its keepalive on every beat. Counted from
 * what reached the store, and only while nothing was wrong with the process or its way to the store.
 */
import { tree } from '../../records/tree.ts';
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 250;

/** Begins to watch; call the answer for what was found so far. */
export function checkKeepaliveOnTime(world: World): () => string[] {
  const found: string[] = [];
  const lastBeatMs = new Map<string, number>();
  const disturbedMs = new Map<string, number>();
  const before = world.ensemble.onWrite;
  world.ensemble.onWrite = (path, text) => {
    before(path, text);
    const name = path.endsWith('/keepalive') ? path.split('/')[2] : undefined;
    if (name !== undefined) lastBeatMs.set(name, world.time.nowMs);
  };
  repeat(world, lookMs, () => {
    const { nowMs } = world.time;
    for (const { name } of world.machines.values()) {
      if (isDisturbed(world, name)) disturbedMs.set(name, nowMs);
      const { interval } = world.config(name).keepalive;
      const sinceMs = Math.max(lastBeatMs.get(name) ?? 0, disturbedMs.get(name) ?? 0);
      if (nowMs - sinceMs <= 1.5 * interval + 2 * lookMs) continue;
      found.push(at(world, `${name} is well and has written no keepalive for ${Math.round(nowMs - sinceMs)} ms`));
      lastBeatMs.set(name, nowMs);
    }
  });
  return () => found;
}

function isDisturbed(world: World, name: string): boolean {
  const { process } = world.machine(name);
  const state = world.agents.get(name)?.board.daemonState;
  if (process === null || process.frozen || !(state === 'run' || state === 'shutdown')) return true;
  if (world.cutFromStore.has(name) || world.losingAnswer.has(name) || !world.ensemble.isAvailable()) return true;
  if (world.refusingKeepalive.has(name)) return true;
  // It was rebuilt, or restored from before the node joined: this incarnation has no place in it, and ends.
  if (!world.ensemble.read(tree.node(name)).ok) return true;
  if (world.ensemble.servers.some((server) => server.mode !== 'up' || server.slowMs > 0)) return true;
  return world.stores.get(name)?.session().state !== 'connected';
}
