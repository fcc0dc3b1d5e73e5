/**
 * scripts/bench fence: from the plug of the primary to its address on a survivor, with early evidence; then from the verdict
 * to the confirmed off when 1, 3 and 10 nodes freeze at once, their BMCs slow by 0, 1 and 5 s.
 */
import { bmc, freeze, power } from '../faults.ts';
import type { Lab } from '../lab.ts';
import { LabError, pause } from '../lab.ts';
import { ask } from '../status.ts';
import { down, up } from '../up.ts';
import type { Fence, Status } from './common.ts';
import { healthy, newFence, say, spread } from './common.ts';
import { Probe } from './probe.ts';

const beat = ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'];

export async function fence(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  const plugs = await plugPulled(lab, runs);
  await down(lab, false);
  return { ...plugs, ...(await manyAtOnce(lab)) };
}

async function plugPulled(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  await up(lab, { nodes: 3, zookeepers: 3, set: beat, say });
  const phases = {
    'plug -> verdict': [] as number[],
    'plug -> confirmed off': [] as number[],
    'plug -> answers on the survivor': [] as number[],
  };
  const seen = new Set<string>();
  for (let run = 1; run <= runs; run += 1) {
    await healthy(lab);
    await pause(Math.round((run % 10) * 100)); // so that the plug falls into each part of a beat
    const victim = ((await ask(lab, ['status', '--json'])) as Status | null)?.primary.holder;
    if (victim == null) throw new LabError(`run ${run}: nobody is primary`);
    const probe = new Probe(lab);
    try {
      await pause(500);
      const pulledMs = Date.now();
      await power(lab, victim, 'off');
      const { verdictAt, confirmedAt } = await newFence(lab, victim, seen);
      await pause(1500);
      const gap = probe.silence(pulledMs, Date.now());
      phases['plug -> verdict'].push(verdictAt - pulledMs);
      phases['plug -> confirmed off'].push((confirmedAt ?? NaN) - pulledMs);
      phases['plug -> answers on the survivor'].push(gap.toMs - pulledMs);
      say(`run ${run} of ${runs}: ${victim}: answers after ${Math.round(gap.toMs - pulledMs)} ms`);
    } finally {
      probe.stop();
    }
  }
  return Object.fromEntries(Object.entries(phases).map(([name, values]) => [`${name} (ms)`, spread(values)]));
}

async function manyAtOnce(lab: Lab): Promise<Record<string, unknown>> {
  const storm = ['fencing.maxConcurrentFences=10', 'fencing.maxUnhealthy=20', 'fencing.levelDeadline=60s'];
  await up(lab, { nodes: 13, zookeepers: 3, coordinators: 3, set: [...beat, ...storm, 'bmc.commandTimeout=20s'], say });
  const workers = Array.from({ length: 10 }, (_, index) => `node${index + 4}`);
  const found: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const seconds of [0, 1, 5])
    for (const count of [1, 3, 10]) {
      await healthy(lab);
      const victims = workers.slice(0, count);
      for (const victim of victims) await bmc(lab, victim, seconds === 0 ? 'ok' : `slow=${seconds}`);
      await Promise.all(victims.map((victim) => freeze(lab, victim, 'noded', true)));
      const fences: Fence[] = [];
      for (const victim of victims) fences.push(await newFence(lab, victim, seen));
      for (const victim of victims) await bmc(lab, victim, 'ok');
      const took = fences.map((one) => (one.confirmedAt ?? NaN) - one.verdictAt);
      found[`${count} at once, BMC slow by ${seconds} s: verdict -> confirmed off (ms)`] = spread(took);
      say(`${count} at once, slow by ${seconds} s: ${took.join(', ')} ms`);
    }
  return found;
}
