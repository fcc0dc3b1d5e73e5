/** scripts/bench cli: what a person waits for nodectl, from start to exit, and how much of that is Node itself. */
import { run } from '../../real/process/runner.ts';
import type { Lab } from '../lab.ts';
import { LabError } from '../lab.ts';
import { nodectl } from '../status.ts';
import { up } from '../up.ts';
import { healthy, say, spread } from './common.ts';

export async function cli(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  await up(lab, { nodes: 3, zookeepers: 3, set: [], say });
  await healthy(lab);
  const env = { NODEKEEPER_CONFIG: lab.path('conf', 'config.yaml') };
  const time = async (program: string, words: readonly string[]) => {
    const took: number[] = [];
    for (let at = 0; at < runs; at += 1) {
      const ran = await run(program, words, { deadlineMs: 20_000, env });
      if (ran.kind !== 'exited' || ran.code !== 0) throw new LabError(`${program} ${words.join(' ')} failed`);
      took.push(ran.tookMs);
    }
    return spread(took);
  };
  const ours = (...args: string[]) => time(...nodectl(lab, args));
  return {
    'node alone (ms)': await time(process.execPath, ['-e', '0']),
    'nodectl version (ms)': await ours('version'),
    'nodectl --help (ms)': await ours('--help'),
    'nodectl status (ms)': await ours('status'),
    'nodectl status --json (ms)': await ours('status', '--json'),
  };
}
