/**
 * S7 as code, for the role: a node that runs nothing of it any more does not stay `deposed`, whatever its disk does: its hooks have
 * their deadline, and then the role has to be free for others.
 */
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 500;
/** The hooks of a deposition (10 s), a write to the disk, and a busy world. */
const patienceMs = 16_000;

/** Begins to watch; call the answer for what was found so far. */
export function checkRoleMovesOn(world: World): () => string[] {
  const found: string[] = [];
  const sinceMs = new Map<string, number>();
  repeat(world, lookMs, () => {
    const { nowMs } = world.time;
    for (const { name, process, running } of world.machines.values()) {
      const isDeposed = world.agents.get(name)?.board.coordinatorState === 'deposed';
      const turns = process?.alive === true && !process.frozen && nowMs - process.runsSinceMs > lookMs;
      if (!isDeposed || !turns || running.size > 0) {
        sinceMs.delete(name);
        continue;
      }
      const stuckMs = nowMs - (sinceMs.get(name) ?? nowMs);
      sinceMs.set(name, nowMs - stuckMs);
      if (stuckMs <= patienceMs) continue;
      found.push(at(world, `${name} runs nothing of the role and is deposed for ${Math.round(stuckMs)} ms`));
      sinceMs.set(name, nowMs);
    }
  });
  return () => found;
}
