/** The promises of environment/supervisor.ts on both sides of the seam. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Supervisor } from '../../src/environment/supervisor.ts';
import { systemdSupervisor } from '../../src/real/systemd/supervisor.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { SimSupervisor } from '../../src/sim/supervisor.ts';
import { World } from '../../src/sim/world.ts';
import { pause, until } from '../support/zookeeper.ts';

/** The supervisor that a noded with these environment variables gets. */
function underSystemd(variables: Readonly<Record<string, string>>): Supervisor {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  const made = systemdSupervisor();
  process.env = before;
  return made;
}

describe.each([
  ['without systemd', () => underSystemd({})],
  ['a notify socket that nobody serves', () => underSystemd({ NOTIFY_SOCKET: '/nowhere/notify', WATCHDOG_USEC: '1' })],
  ['simulated', () => new SimSupervisor()],
] as const)("the supervisor's promises: %s", (_side, make) => {
  it('SUPERVISOR1: no call blocks or throws', async () => {
    const supervisor = make();
    const took = [
      () => supervisor.ready('keepalive published'),
      ...Array.from({ length: 20 }, (_, beat) => () => supervisor.alive(`keepalive ${beat}`)),
      () => supervisor.stopping('told to stop', 60_000),
    ].map((call) => {
      const startMs = performance.now();
      call();
      return performance.now() - startMs;
    });
    // A call may start a program; it never waits for one. The median: this machine may be busy for a moment.
    expect(took.sort((a, b) => a - b)[took.length >> 1]).toBeLessThan(50);
    await pause(300); // whatever was started in the background must not throw either
  });
});

it('SUPERVISOR2: a process that stands still feeds no watchdog; one that waits for the store does', async () => {
  const under = new World({ seed: 1, nodes: simCluster({ nodes: 3, set: { 'keepalive.interval': '1s' } }) });
  under.powerAll();
  await under.run(15_000);
  const fed = () => under.supervisors.get('node2')?.aliveCalls ?? 0;
  expect(fed()).toBeGreaterThan(5);
  under.ensemble.setAvailable(false);
  const beforeOutage = fed();
  await under.run(5000);
  expect(fed()).toBeGreaterThan(beforeOutage);
  under.machine('node2').process?.freeze();
  const beforeFreeze = fed();
  await under.run(5000);
  expect(fed()).toBe(beforeFreeze);
});

it('SUPERVISOR3: while it stops each sign of life asks systemd for more time, up to the deadline and not beyond', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-notify-'));
  const told = join(dir, 'told');
  writeFileSync(join(dir, 'systemd-notify'), `#!/bin/sh\necho "$*" >> ${told}\n`, { mode: 0o755 });
  const path = process.env['PATH'];
  process.env['PATH'] = `${dir}:${path ?? ''}`;
  const supervisor = underSystemd({ NOTIFY_SOCKET: '/nowhere/notify', WATCHDOG_USEC: '1' });
  const lines = () => (existsSync(told) ? readFileSync(told, 'utf8').trim().split('\n') : []);
  const usec = (line: string) => Number(/EXTEND_TIMEOUT_USEC=(\d+)/.exec(line)?.[1] ?? NaN);
  supervisor.stopping('stopping: told to stop', 3_600_000);
  await until('it is told', 20_000, () => lines().length === 1);
  expect(lines()[0]).toMatch(
    /STOPPING=1 --status=stopping: told to stop; it may take 60 min more EXTEND_TIMEOUT_USEC=150000000$/,
  );
  supervisor.stopping('stopping: told to stop', 2000);
  await until('it is told', 20_000, () => lines().length === 2);
  expect(usec(lines()[1] ?? '')).toBeLessThanOrEqual(2_000_000);
  await pause(2100);
  supervisor.alive('keepalive 9, shutdown');
  await pause(1000);
  expect(lines().length).toBe(2);
  process.env['PATH'] = path;
  rmSync(dir, { recursive: true });
});

it('a machine so busy that systemd-notify came to no end: that noded is ready is said again', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-notify-'));
  const told = join(dir, 'told');
  // The first one hangs until it is killed.
  writeFileSync(
    join(dir, 'systemd-notify'),
    `#!/bin/sh\nif [ ! -e ${dir}/tried ]; then touch ${dir}/tried; exec sleep 60; fi\necho "$*" >> ${told}\n`,
    { mode: 0o755 },
  );
  const path = process.env['PATH'];
  process.env['PATH'] = `${dir}:${path ?? ''}`;
  underSystemd({ NOTIFY_SOCKET: '/nowhere/notify' }).ready('keepalive published');
  await until('it is said', 20_000, () => existsSync(told));
  expect(readFileSync(told, 'utf8')).toMatch(/--ready --status=keepalive published$/m);
  process.env['PATH'] = path;
  rmSync(dir, { recursive: true });
});
