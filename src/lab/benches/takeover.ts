/** scripts/bench takeover: the primary's noded is frozen (its address goes on answering) until a survivor answers for it. */
import { freeze } from '../faults.ts';
import type { Lab } from '../lab.ts';
import { LabError, pause } from '../lab.ts';
import { ask } from '../status.ts';
import { up } from '../up.ts';
import type { Status } from './common.ts';
import { healthy, newFence, say, spread } from './common.ts';
import { Probe } from './probe.ts';

export async function takeover(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  const set = ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'];
  await up(lab, { nodes: 3, zookeepers: 3, set, say });
  const phases = {
    'frozen -> recorded as fenced': [] as number[],
    'recorded -> answers on the survivor': [] as number[],
    'frozen -> answers on the survivor': [] as number[],
    'silence of the address': [] as number[],
  };
  const seen = new Set<string>();
  for (let run = 1; run <= runs; run += 1) {
    await healthy(lab);
    const status = (await ask(lab, ['status', '--json'])) as Status | null;
    const victim = status?.primary.holder;
    if (victim == null) throw new LabError(`run ${run}: nobody is primary`);
    const probe = new Probe(lab);
    try {
      await pause(500);
      const frozenMs = Date.now();
      await freeze(lab, victim, 'noded', true);
      const { recordedAt } = await newFence(lab, victim, seen);
      if (recordedAt === null) throw new LabError(`run ${run}: ${victim} was not fenced`);
      await pause(1500);
      const gap = probe.silence(frozenMs, Date.now());
      phases['frozen -> recorded as fenced'].push(recordedAt - frozenMs);
      phases['recorded -> answers on the survivor'].push(gap.toMs - recordedAt);
      phases['frozen -> answers on the survivor'].push(gap.toMs - frozenMs);
      phases['silence of the address'].push(gap.ms);
      say(
        `run ${run} of ${runs}: ${victim}: recorded after ${recordedAt - frozenMs} ms, answers ${Math.round(gap.toMs - recordedAt)} ms later`,
      );
    } finally {
      probe.stop();
    }
  }
  return Object.fromEntries(Object.entries(phases).map(([name, values]) => [`${name} (ms)`, spread(values)]));
}
