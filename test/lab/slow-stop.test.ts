/** A stop that takes longer than systemd's TimeoutStopSec=, under a real systemd, with real VMs that migrate away meanwhile. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestXml } from '../../src/lab/guest.ts';
import { countBoots, ticksOf } from '../support/guests.ts';
import { LabDriver } from '../support/lab.ts';

const lab = new LabDriver();
const names = ['vm1', 'vm2', 'vm3', 'vm4', 'vm5', 'vm6'];
const timeoutS = 3;
const host = (name: string, ...words: string[]) => lab.say(['exec', name, '--', ...words], 120_000);
const unit = async () => {
  const said = await host('node1', 'systemctl', 'show', 'noded', '-p', 'ActiveState,SubState,StatusText,Result');
  return Object.fromEntries(said.stdout.split('\n').map((line) => line.split(/=(.*)/s) as [string, string]));
};

beforeAll(async () => {
  const set = [
    'keepalive.interval=1s',
    'detection.savingThrows=20',
    'vms.flushOnShutdown=true',
    'vms.flushTimeout=10m',
  ];
  await lab.do('up', '--nodes', '2', '--systemd', '--vms', ...set.flatMap((word) => ['--set', word]));
}, 120_000);
afterAll(async () => {
  await lab.end();
});

it('S2: a node that empties itself while it stops gets the time for it: every VM moves live, nobody is fenced', async () => {
  for (const name of names) {
    const file = join(lab.dir, 'log', `${name}.xml`);
    writeFileSync(file, guestXml(name));
    await lab.do('ctl', 'vm', 'define', file, '--node', 'node1');
    await lab.do('ctl', 'vm', 'start', name);
  }
  const dropIn = `[Service]\nTimeoutStopSec=${timeoutS}\n`;
  await host('node1', 'bash', '-c', `printf '%s' "$1" > /run/systemd/system/noded.service.d/z.conf`, '-', dropIn);
  await host('node1', 'systemctl', 'daemon-reload');
  const beganMs = Date.now();
  const stopping = host('node1', 'systemctl', 'stop', 'noded');
  await lab.until('it says how long it may take', 10_000, async () =>
    /stopping: .*; it may take \d+(\.\d+)? min more/.test((await unit())['StatusText'] ?? ''),
  );
  expect((await stopping).code).toBe(0);
  const tookS = (Date.now() - beganMs) / 1000;
  process.stdout.write(`systemctl stop took ${tookS.toFixed(1)} s, TimeoutStopSec is ${timeoutS} s\n`);
  expect(tookS).toBeGreaterThan(timeoutS);
  expect(await unit()).toMatchObject({ ActiveState: 'inactive', Result: 'success' });
  expect((await lab.node('node1'))?.state).toBe('stop');
  const { vms } = JSON.parse(await lab.do('ctl', 'vm', 'list', '--json')) as {
    vms: { name: string; node: string; health: string }[];
  };
  expect(vms.map(({ name, node }) => [name, node])).toEqual(names.map((name) => [name, 'node2']));
  for (const name of names) expect(countBoots(ticksOf(lab.dir, name))).toEqual({ boots: 1, isTorn: false });
  expect((await lab.fences()).filter((fence) => fence.outcome !== 'none')).toEqual([]);
});
