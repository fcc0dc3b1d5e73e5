/**
 * S9 as code: a machine whose noded cannot prove that it holds the role runs nothing of it any more when the lease and the
 * time to stop have passed. Counted from the acknowledged keepalives as they really were sent; a noded that is frozen or dead can
 * do nothing, and has its time from the moment on at which it runs again. With failsafe on others may renew the lease.
 */
import type { World } from '../world.ts';
import { at, repeat } from './checker.ts';

const lookMs = 200;
/** A reset order is carried out, a stopped resource is seen, a clock is slow. */
const slackMs = 500;

/** The guard of the lease wakes at its end; clocks are a little slow. */
const doubtSlackMs = 60;

/** Begins to watch; call the answer for what was found so far. */
export function checkDoubtStepsDown(world: World): () => string[] {
  const found: string[] = [];
  const toldOf = new Set<string>();
  repeat(world, lookMs, () => {
    for (const { name, process, running } of world.machines.values()) {
      const { timing, primary } = world.config(name);
      const doubtMs = world.time.nowMs - (world.lastKeepaliveSentAtMs.get(name) ?? 0) - timing.leaseMs;
      const isSure = ['primary', 'takeover', 'relinquish'].includes(
        world.agents.get(name)?.board.coordinatorState ?? '',
      );
      const mayDoubtMs = world.time.nowMs - (process?.runsSinceMs ?? Infinity);
      if (process?.frozen === false && isSure && !primary.failsafe && Math.min(doubtMs, mayDoubtMs) > doubtSlackMs)
        if (!toldOf.has(`${name} sure`)) {
          toldOf.add(`${name} sure`);
          found.push(at(world, `${name} goes on as if it held the role, ${Math.round(doubtMs)} ms after its lease`));
        }
      if (running.size === 0) toldOf.delete(name);
      if (running.size === 0 || process === null || process.frozen || primary.failsafe || world.withoutReset.has(name))
        continue;
      const provenMs = (world.lastKeepaliveSentAtMs.get(name) ?? 0) + timing.leaseMs;
      const lateMs = world.time.nowMs - Math.max(provenMs, process.runsSinceMs) - timing.stopBoundMs - slackMs;
      if (lateMs <= 0 || toldOf.has(name)) continue;
      toldOf.add(name);
      found.push(
        at(
          world,
          `${name} still runs ${[...running].join(' ')}, ${Math.round(lateMs)} ms after its doubt should have ended that`,
        ),
      );
    }
  });
  return () => found;
}
