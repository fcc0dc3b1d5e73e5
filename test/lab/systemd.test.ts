/** noded under a real systemd as PID 1, by the unit that is shipped: notify, watchdog, stop with hand-over, crash, self-fence. */
import { readFileSync } from 'node:fs';
import { LabDriver } from '../support/lab.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
const hosts = ['node1', 'node2', 'node3'];
const host = (name: string, ...words: string[]) => lab.say(['exec', name, '--', ...words]);
const systemctl = (name: string, ...words: string[]) => host(name, 'systemctl', ...words);
/** Properties of the unit as systemd sees it. */
const unit = async (name: string) => {
  const wanted = 'ActiveState,SubState,StatusText,NRestarts,Result,MainPID,ExecMainStatus';
  const said = await systemctl(name, 'show', 'noded', '-p', wanted);
  return Object.fromEntries(said.stdout.split('\n').map((line) => line.split(/=(.*)/s) as [string, string]));
};
const holder = async () =>
  (JSON.parse(await lab.do('ctl', 'status', '--json')) as { primary: { holder: string | null } }).primary.holder ?? '';
const bootOf = async (name: string) => (await lab.hosts()).find((row) => row.name === name)?.initPid;
const fencesOf = async () => (await lab.fences()).filter((fence) => fence.outcome !== 'none').length;
const debug = ['NODEKEEPER_DEBUG=1', 'nodectl', 'debug', 'block', '--for', '60s'];

beforeAll(async () => {
  const set = ['keepalive.interval=1s', 'detection.savingThrows=20', 'web.enabled=true'].flatMap((word) => [
    '--set',
    word,
  ]);
  await lab.do('up', '--nodes', '3', '--systemd', ...set);
  for (const name of hosts) {
    const dropIn = '[Service]\nEnvironment=NODEKEEPER_DEBUG=1\n';
    await host(name, 'bash', '-c', `printf '%s' "$1" > /run/systemd/system/noded.service.d/debug.conf`, '-', dropIn);
    await systemctl(name, 'daemon-reload');
    await systemctl(name, 'restart', 'noded');
  }
}, 120_000);
afterAll(async () => {
  await lab.end();
});

it('it is ready when its keepalive is in the store, not before, and says in one line how it is', async () => {
  await lab.healthy();
  for (const name of hosts) {
    await lab.until(`${name} has told systemd`, 5000, async () => (await unit(name))['ActiveState'] === 'active');
    const said = await unit(name);
    expect(said).toMatchObject({ ActiveState: 'active', SubState: 'running' });
    expect(said['StatusText']).not.toBe('');
  }
  await lab.do('cut', 'node3', '--store');
  await systemctl('node3', 'restart', '--no-block', 'noded');
  await lab.until('it is being started', 20_000, async () => (await unit('node3'))['ActiveState'] === 'activating');
  await pause(4000); // longer than its WatchdogSec: waiting for the store is no hanging
  expect(await unit('node3')).toMatchObject({
    ActiveState: 'activating',
    StatusText: expect.stringMatching(/ZooKeeper is not reachable/) as string,
  });
  await lab.do('heal');
  await lab.until('it is ready', 20_000, async () => (await unit('node3'))['ActiveState'] === 'active');
  await lab.healthy();
});

it('S8: an event loop that is blocked ends by the watchdog, is started anew, and nobody is fenced', async () => {
  await lab.healthy();
  const fences = await fencesOf();
  const before = await unit('node2');
  expect((await host('node2', 'nodectl', 'debug', 'block')).code).toBe(2); // it does not exist without NODEKEEPER_DEBUG=1
  expect((await host('node2', 'env', ...debug)).stdout).toMatch(/stands still for 60 s/);
  await lab.until('systemd has started it anew', 15_000, async () => {
    const now = await unit('node2');
    return now['MainPID'] !== before['MainPID'] && now['ActiveState'] === 'active';
  });
  expect((await host('node2', 'journalctl', '-u', 'noded', '--no-pager')).stdout).toMatch(/Watchdog timeout/);
  await lab.healthy();
  expect(await fencesOf()).toBe(fences);
});

it('S8, S10: 10,000 bad requests to its web listener: refused, and the beat is on time all along', async () => {
  await lab.healthy();
  const ask = ['/opt/lab/node', '/opt/nodekeeper/test/support/ask-socket.mjs', '/run/nodekeeper/noded.sock', 'GET'];
  /** How many beats there were, and how many of them came more than half a second late. */
  const beats = async () => {
    const { value } = JSON.parse((await host('node1', ...ask, '/metrics')).stdout) as { value: string };
    const number = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(value)?.[1] ?? NaN);
    const all = number('nodekeeper_keepalive_late_seconds_count');
    return { all, late: all - number('nodekeeper_keepalive_late_seconds_bucket\\{le="0.5"\\}') };
  };
  const before = await beats();
  const startMs = Date.now();
  const said = await host('node1', '/opt/lab/node', '/opt/nodekeeper/test/support/flood.mjs', '7481', '10000');
  const tookS = (Date.now() - startMs) / 1000;
  const seen = JSON.parse(said.stdout) as Record<string, number>;
  process.stdout.write(`10,000 bad requests in ${tookS.toFixed(1)} s: ${said.stdout}`);
  expect(Object.values(seen).reduce((sum, count) => sum + count, 0)).toBe(10_000);
  expect(Object.keys(seen).filter((code) => /^[23]/.test(code))).toEqual([]);
  const after = await beats();
  expect(after.late).toBe(before.late);
  expect(after.all - before.all).toBeGreaterThanOrEqual(Math.floor(tookS) - 1);
  expect((await lab.node('node1'))?.throws).toBe(0);
});

it('systemctl stop of the primary: the role is handed over first; then it is off, without a fence; start brings it back', async () => {
  await lab.healthy();
  await lab.do('ctl', 'wait', '--for', 'primary', '--timeout', '30s');
  const before = await holder();
  const fences = await fencesOf();
  expect((await systemctl(before, 'stop', 'noded')).code).toBe(0);
  expect(await unit(before)).toMatchObject({ ActiveState: 'inactive', Result: 'success' });
  expect((await lab.node(before))?.state).toBe('stop');
  const after = await holder();
  expect(hosts).toContain(after);
  expect(after).not.toBe(before);
  expect((await systemctl(before, 'start', 'noded')).code).toBe(0);
  await lab.healthy();
  expect(await fencesOf()).toBe(fences);
});

it('systemctl reload: what can be taken up is, what cannot is named, and half a file changes nothing', async () => {
  await lab.healthy();
  const before = await unit('node1');
  const told = () => lab.logs().get('noded-node1.log') ?? '';
  const write = (text: string) =>
    host('node1', 'bash', '-c', 'printf "%s" "$1" > /etc/nodekeeper/config.yaml', '-', text);
  const old = (await host('node1', 'cat', '/etc/nodekeeper/config.yaml')).stdout;
  await write(`${old}log: { level: debug }\nhistory: { maxEvents: 777 }\n`);
  expect((await systemctl('node1', 'reload', 'noded')).code).toBe(0);
  await lab.until('it says what waits', 5000, () => Promise.resolve(told().includes('"keys":"history.maxEvents"')));
  await write(`${old}log: { level: de`);
  expect((await systemctl('node1', 'reload', 'noded')).code).toBe(0);
  await lab.until('it says what is wrong', 5000, () =>
    Promise.resolve(/the configuration is not valid; the old one stays/.test(told())),
  );
  await write(old);
  expect((await systemctl('node1', 'reload', 'noded')).code).toBe(0);
  // systemctl waits for the signal to be sent; noded says "reloading" and "ready" right after that.
  await lab.until('it has reloaded', 5000, async () => (await unit('node1'))['ActiveState'] === 'active');
  await pause(500);
  expect(await unit('node1')).toMatchObject({ ActiveState: 'active', MainPID: before['MainPID'] });
});

it('systemd-run starts it without anything installed, by the line of docs/OPERATIONS.md', async () => {
  await lab.healthy();
  const document = readFileSync(new URL('../../docs/OPERATIONS.md', import.meta.url), 'utf8');
  const line = /^systemd-run [\s\S]*?main\.js"$/m.exec(document)?.[0] ?? '';
  expect(line).toContain('Type=notify');
  expect((await systemctl('node1', 'stop', 'noded')).code).toBe(0);
  const words = `export PATH=/opt/lab:$PATH; cd /opt/nodekeeper; ${line.replace('--unit=noded', '--unit=noded-tried')}`;
  expect(await host('node1', 'bash', '-c', words)).toMatchObject({ code: 0 });
  await lab.healthy();
  expect((await systemctl('node1', 'is-active', 'noded-tried')).stdout.trim()).toBe('active');
  expect((await systemctl('node1', 'stop', 'noded-tried')).code).toBe(0);
  expect((await lab.node('node1'))?.state).toBe('stop');
  expect((await systemctl('node1', 'start', 'noded')).code).toBe(0);
  await lab.healthy();
});

it('a crash is started again, a configuration that cannot work is not', async () => {
  await lab.healthy();
  const before = await unit('node1');
  await systemctl('node1', 'kill', '-s', 'KILL', 'noded');
  await lab.until('it is back', 15_000, async () => {
    const now = await unit('node1');
    return now['MainPID'] !== before['MainPID'] && now['ActiveState'] === 'active';
  });
  await host('node1', 'bash', '-c', 'echo "nonsense: true" >> /etc/nodekeeper/config.yaml');
  expect((await systemctl('node1', 'restart', 'noded')).code).not.toBe(0);
  await pause(2500); // longer than RestartSec
  expect(await unit('node1')).toMatchObject({ ActiveState: 'failed', ExecMainStatus: '2' });
  await host('node1', 'sed', '-i', '/nonsense/d', '/etc/nodekeeper/config.yaml');
  expect((await systemctl('node1', 'start', 'noded')).code).toBe(0);
  await lab.healthy();
});

it('bad surroundings: a full disk, a /run that is read-only, no ipmitool: each is said, and keepalives go on', async () => {
  await lab.healthy();
  const fences = await fencesOf();
  const logOf = (name: string) => lab.logs().get(`noded-${name}.log`) ?? '';
  // node2: its disk is full. That is shown, and everything goes on: what stands there is a second line only.
  await host(
    'node2',
    'bash',
    '-c',
    'mount -t tmpfs -o size=64k full /var/lib/nodekeeper; cat /dev/zero > /var/lib/nodekeeper/fill',
  );
  expect((await systemctl('node2', 'restart', 'noded')).code).toBe(0);
  await lab.healthy();
  await lab.until('it is shown', 20_000, async () =>
    /the disk of \/var\/lib\/nodekeeper is full/.test(await lab.do('ctl', 'node', 'show', 'node2')),
  );
  expect(await lab.do('ctl', 'status')).toMatch(/node2 .*system: error/);
  if ((await holder()) !== 'node2') await lab.do('ctl', 'primary', 'takeover', '--node', 'node2');
  expect(logOf('node2')).toMatch(/ENOSPC.*journal not written/);
  expect((await host('node2', 'ip', 'addr')).stdout).toContain('10.77.0.200');
  await lab.do('ctl', 'primary', 'relinquish');
  await host('node2', 'umount', '/var/lib/nodekeeper');
  // node3: nothing can be made in /run.
  await host(
    'node3',
    'bash',
    '-c',
    'printf "[Service]\\nTemporaryFileSystem=/run/nodekeeper:ro\\n" > /run/systemd/system/noded.service.d/ro.conf; systemctl daemon-reload',
  );
  expect((await systemctl('node3', 'restart', 'noded')).code).toBe(0);
  await lab.healthy();
  expect(logOf('node3')).toMatch(/(EROFS|read-only).*API not served/);
  const local = await host('node3', 'nodectl', 'primary', 'is-leader');
  expect(local.code).not.toBe(0); // and not 0 by mistake
  await host(
    'node3',
    'bash',
    '-c',
    'rm /run/systemd/system/noded.service.d/ro.conf; systemctl daemon-reload; systemctl restart noded',
  );
  // node1: what speaks with BMCs is gone.
  await host('node1', 'mv', '/usr/bin/ipmitool', '/usr/bin/ipmitool.gone');
  const missing = /ipmitool is not installed \(Debian: apt-get install ipmitool\)/;
  expect((await host('node1', 'nodectl', 'config', 'check')).stdout).toMatch(missing);
  expect((await systemctl('node1', 'restart', 'noded')).code).toBe(0);
  await lab.healthy();
  expect(logOf('node1')).toMatch(missing);
  await lab.until('its proofs say so', 30_000, async () =>
    missing.test((await lab.say(['ctl', 'fence-check'])).stdout),
  );
  await host('node1', 'mv', '/usr/bin/ipmitool.gone', '/usr/bin/ipmitool');
  for (const name of hosts) await systemctl(name, 'restart', 'noded');
  await lab.healthy();
  expect(await fencesOf()).toBe(fences);
});

it('S9: with the drop-in self-fence.conf a noded that hangs costs the machine; a crash, a stop and a wrong configuration do not', async () => {
  await lab.healthy();
  // On the disk of the host, as an operator would: it is there after the reset too.
  await host('node2', 'mkdir', '-p', '/etc/systemd/system/noded.service.d');
  await host('node2', 'cp', '/opt/nodekeeper/systemd/self-fence.conf', '/etc/systemd/system/noded.service.d/');
  await host('node2', 'cp', '/opt/nodekeeper/systemd/noded-self-fence.service', '/etc/systemd/system/');
  await host(
    'node2',
    'bash',
    '-c',
    'printf "[Service]\\nWatchdogSec=3\\n" > /run/systemd/system/noded.service.d/z.conf',
  );
  await systemctl('node2', 'daemon-reload');
  await systemctl('node2', 'restart', 'noded');
  await lab.healthy();
  const boot = await bootOf('node2');
  for (const signal of ['KILL', 'SEGV']) {
    const before = await unit('node2');
    await systemctl('node2', 'kill', '-s', signal, 'noded');
    await lab.until(`it is back after SIG${signal}`, 15_000, async () => {
      const now = await unit('node2');
      return now['MainPID'] !== before['MainPID'] && now['ActiveState'] === 'active';
    });
  }
  await systemctl('node2', 'restart', 'noded');
  await host('node2', 'bash', '-c', 'echo "nonsense: true" >> /etc/nodekeeper/config.yaml');
  await systemctl('node2', 'restart', 'noded');
  await pause(2500);
  expect((await unit('node2'))['ExecMainStatus']).toBe('2');
  await host('node2', 'sed', '-i', '/nonsense/d', '/etc/nodekeeper/config.yaml');
  await systemctl('node2', 'reset-failed', 'noded');
  expect((await systemctl('node2', 'start', 'noded')).code).toBe(0);
  await lab.healthy();
  expect(await bootOf('node2')).toBe(boot);
  await host('node2', 'env', ...debug);
  await lab.until('the machine has booted anew', 30_000, async () => {
    const now = await bootOf('node2');
    return now !== null && now !== boot;
  });
  expect(lab.logs().get('lab.jsonl')).toMatch(/"node":"node2","what":"reset by itself"/);
  await lab.healthy(); // its peers may have read its power as off meanwhile, and fenced it: right, too
});

const exposure = async (name: string) => {
  const said = await host(name, 'systemd-analyze', 'security', 'noded', '--no-pager');
  return Number(/exposure level for noded.service: ([\d.]+)/.exec(said.stdout)?.[1] ?? NaN);
};
/** The role with its address, the proofs, a fence. */
async function worksAsEver(): Promise<void> {
  await lab.do('ctl', 'wait', '--for', 'primary', '--timeout', '30s');
  const target = hosts.find((name) => name !== 'node2') ?? '';
  const before = await holder();
  const other = before === target ? 'node3' : target;
  expect(await lab.say(['ctl', 'primary', 'takeover', '--node', other])).toMatchObject({ code: 0 });
  expect((await host(other, 'ip', 'addr')).stdout).toContain('10.77.0.200');
  expect((await host('node2', 'ping', '-c', '1', '-W', '2', '10.77.0.200')).code).toBe(0);
  await lab.until('everybody can be fenced', 20_000, async () => (await lab.say(['ctl', 'fence-check'])).code === 0);
  const victim = hosts.find((name) => name !== other) ?? '';
  expect((await lab.say(['ctl', 'fence', victim, '--yes', '--reason', 'a test'])).code).toBe(0);
  await lab.healthy();
}

it('S10: in the cage of hardened.conf it does all of its work', async () => {
  await lab.healthy();
  const plain = await exposure('node1');
  for (const name of hosts) {
    await host(name, 'mkdir', '-p', '/etc/systemd/system/noded.service.d');
    await host(name, 'cp', '/opt/nodekeeper/systemd/hardened.conf', '/etc/systemd/system/noded.service.d/');
    await systemctl(name, 'daemon-reload');
    expect((await systemctl(name, 'restart', 'noded')).code).toBe(0);
  }
  await lab.healthy();
  const caged = await exposure('node1');
  process.stdout.write(`systemd-analyze security: ${plain} as shipped, ${caged} with hardened.conf\n`);
  expect(caged).toBeLessThan(5);
  await worksAsEver();
});

it('S10: as a user of its own, by unprivileged.conf, it does all of its work on addresses and BMCs', async () => {
  const folder = '/etc/systemd/system/noded.service.d';
  for (const name of hosts) {
    const words = `useradd --system --no-create-home --shell /usr/sbin/nologin nodekeeper && chown nodekeeper /etc/nodekeeper/* \
      && rm -f ${folder}/hardened.conf && cp /opt/nodekeeper/systemd/unprivileged.conf ${folder}/ && systemctl daemon-reload`;
    expect(await host(name, 'bash', '-c', words)).toMatchObject({ code: 0 });
    expect((await systemctl(name, 'restart', 'noded')).code).toBe(0);
  }
  await lab.healthy();
  process.stdout.write(`systemd-analyze security: ${await exposure('node1')} with unprivileged.conf\n`);
  const { MainPID = '' } = await unit('node1');
  const status = (await host('node1', 'cat', `/proc/${MainPID}/status`)).stdout;
  const uid = (await host('node1', 'id', '-u', 'nodekeeper')).stdout.trim();
  expect(status).toMatch(new RegExp(`^Uid:\\s+${uid}\\s+${uid}`, 'm'));
  expect(status).toMatch(/^CapBnd:\s+0000000000003000$/m); // CAP_NET_ADMIN, CAP_NET_RAW
  await worksAsEver();
  // Root's nodectl reads the files of that user; the files of anybody else it does not.
  expect((await host('node3', 'nodectl', 'primary', 'is-leader')).code).toBeLessThan(2);
  expect((await host('node3', 'nodectl', 'status')).code).toBe(0);
  await host('node3', 'chown', 'daemon', '/etc/nodekeeper/cluster.key');
  expect((await host('node3', 'nodectl', 'status')).stderr).toMatch(/belongs to user 1, expected root or nodekeeper/);
  await host('node3', 'chown', 'nodekeeper', '/etc/nodekeeper/cluster.key');
});
