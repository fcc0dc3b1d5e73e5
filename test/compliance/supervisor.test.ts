/** The promises of environment/supervisor.ts on both sides of the seam. */
import type { Supervisor } from '../../src/environment/supervisor.ts';
import { systemdSupervisor } from '../../src/real/systemd/supervisor.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { SimSupervisor } from '../../src/sim/supervisor.ts';
import { World } from '../../src/sim/world.ts';
import { pause } from '../support/zookeeper.ts';

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
      () => supervisor.stopping('told to stop'),
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
