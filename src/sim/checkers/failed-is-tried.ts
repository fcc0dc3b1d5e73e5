/**
 * S7 as code, for what the primary runs: about a resource that does not run where the role is something is done (a start, a stop,
 * another node) within as many checks as a status may stay unknown, whatever its status command says or does not say. Who has tried
 * as often as is configured may leave it: then an operator has been told.
 */
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 500;
/** Of a check that has begun, and of a busy world. */
const marginMs = 2000;
const hourMs = 3_600_000;

/** Begins to watch; call the answer for what was found so far. */
export function checkFailedIsTried(world: World): () => string[] {
  const found: string[] = [];
  /** When something was done to a resource of a node, by "node resource". */
  const acts = new Map<string, number[]>();
  /** Since when nothing was done on a node although something of it does not run. */
  const idleSinceMs = new Map<string, number>();
  const before = world.onAct;
  world.onAct = (node, resource) => {
    before(node, resource);
    const mark = `${node} ${resource}`;
    acts.set(mark, [...(acts.get(mark) ?? []), world.time.nowMs]);
    idleSinceMs.delete(node);
  };
  const isTried = (mark: string, times: number) =>
    (acts.get(mark) ?? []).filter((atMs) => world.time.nowMs - atMs < hourMs).length > times;
  repeat(world, lookMs, () => {
    const { nowMs } = world.time;
    for (const { name } of world.machines.values()) {
      const { primary } = world.config(name);
      const missing = watched(world, name)
        ? primary.resources.find((one) => !world.machine(name).running.has(one.name))
        : undefined;
      if (missing === undefined || isTried(`${name} ${missing.name}`, primary.maxRestarts)) {
        idleSinceMs.delete(name);
        continue;
      }
      const idleMs = nowMs - (idleSinceMs.get(name) ?? nowMs);
      idleSinceMs.set(name, nowMs - idleMs);
      if (idleMs <= patienceMs(primary)) continue;
      found.push(at(world, `${missing.name} does not run on ${name}; nothing was done for ${Math.round(idleMs)} ms`));
      idleSinceMs.set(name, nowMs);
    }
  });
  return () => found;
}

/** Whether this node is primary, turns, and has not just decided to give the role to another. */
function watched(world: World, name: string): boolean {
  const { process } = world.machine(name);
  const board = world.agents.get(name)?.board;
  if (board?.coordinatorState !== 'primary' || process === null || process.frozen) return false;
  return world.time.nowMs - process.runsSinceMs > lookMs && board.barredUntilMs <= process.monotonicMs();
}

function patienceMs({ resources, checkInterval, statusUnknownLimit }: ReturnType<World['config']>['primary']): number {
  const asking = resources.reduce((sum, { statusTimeout }) => sum + statusTimeout, 0);
  return (statusUnknownLimit + 1) * (checkInterval + asking) + marginMs;
}
