/** scripts/bench transfer: the role goes to and fro; the longest silence of its address at each transfer. */
import type { Lab } from '../lab.ts';
import { LabError, pause } from '../lab.ts';
import { ask } from '../status.ts';
import { up } from '../up.ts';
import type { Status } from './common.ts';
import { healthy, say, spread } from './common.ts';
import { Probe } from './probe.ts';

/** Linux takes no new address of a neighbour within a second of the last change: real moves are not that close. */
const pauseMs = 1500;

export async function transfer(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  await up(lab, { nodes: 3, zookeepers: 3, set: ['keepalive.interval=1s', 'detection.savingThrows=3'], say });
  await healthy(lab);
  const probe = new Probe(lab);
  const silences: number[] = [];
  const told: number[] = [];
  try {
    for (let run = 1; run <= runs; run += 1) {
      const status = (await ask(lab, ['status', '--json'])) as Status | null;
      const target = status?.primary.holder === 'node1' ? 'node2' : 'node1';
      const fromMs = Date.now();
      const done = (await ask(lab, ['primary', 'takeover', '--node', target, '--json'])) as {
        awayMs: Record<string, number>;
      } | null;
      if (done === null) throw new LabError(`run ${run}: ${target} did not take over; nodectl primary status`);
      await pause(pauseMs);
      const { ms } = probe.silence(fromMs, Date.now());
      silences.push(ms);
      told.push(done.awayMs['vip'] ?? NaN);
      say(
        `run ${run} of ${runs}: -> ${target}: silence ${ms.toFixed(1)} ms, the command says ${String(done.awayMs['vip'])} ms`,
      );
    }
  } finally {
    probe.stop();
  }
  return { 'longest silence of the address (ms)': spread(silences), 'away as the command says (ms)': spread(told) };
}
