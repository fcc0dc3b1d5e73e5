/** scripts/bench verify: two coordinators prove 50 BMCs anew each: how long it takes, and how many ipmitool run at a time. */
import { readFileSync, readdirSync } from 'node:fs';
import type { Lab } from '../lab.ts';
import { pause } from '../lab.ts';
import { ask } from '../status.ts';
import { up } from '../up.ts';
import { say } from './common.ts';

const bmcs = 50;

export async function verify(lab: Lab): Promise<Record<string, unknown>> {
  await up(lab, { nodes: bmcs, zookeepers: 1, coordinators: 2, set: ['keepalive.interval=5s'], say });
  await pause(20_000); // the proofs of the start are over
  let most = 0;
  let isOver = false as boolean;
  const counting = (async () => {
    while (!isOver) {
      most = Math.max(most, running());
      await pause(5);
    }
  })();
  const startMs = performance.now();
  const answer = (await ask(lab, ['fence-check', '--json'], 120_000)) as { ok: boolean } | null;
  const tookMs = Math.round(performance.now() - startMs);
  isOver = true;
  await counting;
  return {
    'BMCs proved': bmcs,
    'all can be fenced': answer?.ok ?? false,
    'took (ms)': tookMs,
    'ipmitool of one coordinator at a time, at most': most,
  };
}

/** ipmitool processes right now, of the noded that runs most of them. */
function running(): number {
  const byParent = new Map<string, number>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const [, name, , parent = ''] = /^\d+ \((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? [];
      if (name === 'ipmitool') byParent.set(parent, (byParent.get(parent) ?? 0) + 1);
    } catch {
      continue; // ended in the meantime
    }
  }
  return Math.max(0, ...byParent.values());
}
