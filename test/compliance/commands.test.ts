/** The promises of environment/commands.ts on both sides of the seam: simulated, and real processes in real cgroups. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { BoundCommands } from '../../src/environment/commands.ts';
import { cgroupCommands } from '../../src/real/bound-commands.ts';
import { makeCgroup, processesOf } from '../../src/real/cgroup.ts';
import { starterScript } from '../../src/cli/guard/reaper.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { simCommands } from '../../src/sim/commands.ts';
import { SimMachine } from '../../src/sim/machine.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { settleIn } from '../support/virtual.ts';
import { until } from '../support/zookeeper.ts';

interface Under {
  readonly commands: BoundCommands;
  /** A cgroup in which something runs. */
  start(id: string): Promise<string>;
  runs(cgroup: string): boolean;
  settle<T>(work: Promise<T>): Promise<T>;
}

function simulated(): Under {
  const time = new VirtualTime();
  const machine = new SimMachine({
    name: 'node1',
    time,
    bootMs: 0,
    restartMs: 0,
    start: () => Promise.resolve(),
    onPower: () => undefined,
  });
  return {
    commands: simCommands(machine, new SimProcess(time), () => undefined),
    start(id) {
      machine.cgroups.add(id);
      machine.running.add(id);
      return Promise.resolve(id);
    },
    runs: (cgroup) => machine.running.has(cgroup),
    settle: settleIn(time),
  };
}

function real(): Under {
  return {
    commands: cgroupCommands,
    async start(id) {
      const made = makeCgroup(id);
      if (typeof made === 'string') throw new Error(made);
      // It changes its session, forks twice, ignores what can be ignored, and stands still.
      const words =
        'trap "" TERM HUP INT; (setsid sh -c "sleep 300 & sleep 300" &) ; sleep 300 & kill -STOP $!; sleep 300';
      spawn('sh', ['-c', starterScript, made.path, 'sh', '-c', words], { stdio: 'ignore' });
      await until('all of it runs', 20_000, () => processesOf(made.path).length >= 5);
      return made.path;
    },
    runs: (cgroup) => processesOf(cgroup).length > 0,
    settle: (work) => work,
  };
}

describe.each([
  ['simulated', simulated],
  ['real cgroups', real],
] as const)('the promises of commands: %s', (_side, make) => {
  it('COMMAND1, COMMAND2: what runs is seen; it is ended with all that it started, and can no longer be joined', async () => {
    const { commands, start, runs, settle } = make();
    const cgroup = await start('0123456789abcde0');
    expect(await settle(commands.sees(cgroup))).toBe(true);
    expect(await settle(commands.end(cgroup, 5000))).toBeNull();
    expect(runs(cgroup)).toBe(false);
    expect(await settle(commands.sees(cgroup))).toBe(false);
    expect(await settle(commands.end(cgroup, 5000))).toBeNull(); // and again: it is gone
  });
});

it('what joins too late does not become the command', async () => {
  const under = real();
  const cgroup = await under.start('0123456789abcde1');
  await under.commands.end(cgroup, 5000);
  const late = spawn('sh', ['-c', starterScript, cgroup, 'sleep', '300'], { stdio: 'ignore' });
  expect(await new Promise((resolve) => late.once('exit', resolve))).toBe(125);
});

it('COMMAND3: nothing but a cgroup of ours is ever touched', async () => {
  const own = /^0::(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/';
  for (const path of ['/', '/sys/fs/cgroup', `/sys/fs/cgroup${own}`, '/tmp', '/sys/fs/cgroup/nodekeeper-run-x'])
    expect(await cgroupCommands.end(path, 100)).toMatch(/is no cgroup of a command/);
});
