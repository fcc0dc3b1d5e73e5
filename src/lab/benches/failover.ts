/** scripts/bench failover: the plug is pulled, the BMC answers: what each phase takes. */
import { power } from '../faults.ts';
import type { Lab } from '../lab.ts';
import { LabError } from '../lab.ts';
import { ask } from '../status.ts';
import { up } from '../up.ts';
import type { Status } from './common.ts';
import { healthy, newFence, say, spread } from './common.ts';

export async function failover(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  await up(lab, {
    nodes: 3,
    zookeepers: 3,
    set: ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'],
    say,
  });
  const phases: Record<string, number[]> = {
    'last keepalive -> verdict': [],
    'verdict -> power confirmed off': [],
    'confirmed -> recorded': [],
    'verdict -> recorded': [],
  };
  const seen = new Set<string>();
  for (let run = 1; run <= runs; run += 1) {
    const victim = `node${(run % 3) + 1}`;
    await healthy(lab);
    await power(lab, victim, 'off');
    const status = (await ask(lab, ['status', '--json'])) as Status | null;
    const lastMs = Date.now() - (status?.nodes.find((node) => node.name === victim)?.keepaliveAgeMs ?? NaN);
    const fence = await newFence(lab, victim, seen);
    const { verdictAt, confirmedAt, recordedAt } = fence;
    if (confirmedAt === null || recordedAt === null) throw new LabError(`run ${run}: ${victim} was not fenced`);
    phases['last keepalive -> verdict']?.push(verdictAt - lastMs);
    phases['verdict -> power confirmed off']?.push(confirmedAt - verdictAt);
    phases['confirmed -> recorded']?.push(recordedAt - confirmedAt);
    phases['verdict -> recorded']?.push(recordedAt - verdictAt);
    say(`run ${run} of ${runs}: ${victim}: verdict -> recorded ${recordedAt - verdictAt} ms`);
  }
  return Object.fromEntries(Object.entries(phases).map(([name, values]) => [name, spread(values)]));
}
