/** scripts/bench keepalive: every subsystem hangs and ignores SIGTERM: by how much the beat is late. */
import { readFileSync } from 'node:fs';
import { hang } from '../faults.ts';
import type { Lab } from '../lab.ts';
import { pause } from '../lab.ts';
import { ask } from '../status.ts';
import { up } from '../up.ts';
import type { Fence } from './common.ts';
import { say, spread } from './common.ts';

export async function keepalive(lab: Lab, seconds: number): Promise<Record<string, unknown>> {
  const set = [
    'keepalive.interval=1s',
    'detection.savingThrows=3',
    'log.level=debug',
    'subsystems.ceph.enabled=true',
    'subsystems.libvirt.enabled=true',
    'subsystems.ipmi.enabled=true',
  ];
  await up(lab, {
    nodes: 3,
    zookeepers: 3,
    set: [...set, 'subsystems.commands=[{name: disk, command: [check-disk]}]'],
    say,
  });
  for (const subsystem of ['ceph', 'libvirt', 'ipmi', 'check-disk']) await hang(lab, 'node1', subsystem, true);
  const file = lab.path('log', 'noded-node1.log');
  const from = readFileSync(file, 'utf8').length;
  say(`every subsystem of node1 hangs and ignores SIGTERM; ${seconds} s`);
  await pause(seconds * 1000);
  const beats = readFileSync(file, 'utf8')
    .slice(from)
    .split('\n')
    .filter((line) => line.includes('"msg":"beat"'))
    .map((line) => JSON.parse(line) as { lateMs: number; tookMs: number });
  const fences = ((await ask(lab, ['fence', 'history', '--json'])) ?? []) as Fence[];
  return {
    beats: beats.length,
    'beat late (ms)': spread(beats.map((beat) => beat.lateMs)),
    'write acknowledged after (ms)': spread(beats.map((beat) => beat.tookMs)),
    fences: fences.length,
  };
}
