/** VMs on real hosts: real libvirt, real QEMU, guests that count on their serial line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestUuid, guestXml } from '../../src/lab/guest.ts';
import { QemuWatcher, countBoots, ticksOf } from '../support/guests.ts';
import { LabDriver } from '../support/lab.ts';
import { undescribed } from '../support/open-api.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
/** As the hosts see it: /opt/lab/log. */
const storageLog = join(lab.dir, 'log', 'storage-fence');
const isLong = process.env['NODEKEEPER_LONG'] === '1';

interface VmRow {
  readonly name: string;
  readonly state: string;
  readonly node: string;
  readonly active: boolean;
  readonly cameFrom: string | null;
  readonly health: string;
  readonly healthBecause: string;
  readonly because: string;
}

const vms = async () => (JSON.parse(await lab.do('ctl', 'vm', 'list', '--json')) as { vms: VmRow[] }).vms;
const vm = async (name: string) => (await vms()).find((row) => row.name === name);
const lockOf = async (name: string) =>
  (JSON.parse(await lab.do('ctl', 'vm', 'show', name, '--json')) as { lockedBy: string | null }).lockedBy;
const file = (name: string, xml = guestXml(name)) => {
  const path = join(lab.dir, 'log', `${Buffer.from(name).toString('hex')}.xml`);
  writeFileSync(path, xml);
  return path;
};
const define = (name: string, node: string) => lab.do('ctl', 'vm', 'define', file(name), '--node', node);
const run = async (node: string, ...names: string[]) => {
  for (const name of names) {
    await define(name, node);
    await lab.do('ctl', 'vm', 'start', name);
  }
};
const forget = async () => {
  for (const { name, active } of await vms()) {
    if (active) await lab.do('ctl', 'vm', 'stop', name);
    await lab.do('ctl', 'vm', 'undefine', name, '--yes');
  }
};

beforeAll(async () => {
  const set = [
    'keepalive.interval=1s',
    'detection.savingThrows=3',
    'fencing.levelDeadline=6s',
    'fencing.maxFencesPerHour=100',
    'vms.prepareTimeout=5s',
    'vms.stallTimeout=5s',
    `vms.storageFence=${JSON.stringify({ command: ['bash', '-c', `echo $NODEKEEPER_NODE >> /opt/lab/log/storage-fence`] })}`,
  ];
  await lab.up(['--nodes', '3', '--vms'], set);
}, 120_000);
afterAll(async () => {
  await lab.end();
});

it('moves live there and back, and with its node when that is emptied and filled: one guest, booted once, never stopped', async () => {
  await run('node1', 'vm1');
  const moved = await lab.say(['ctl', 'vm', 'migrate', 'vm1', '--force-live', '--target', 'node2']);
  expect(moved).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/it runs on node2: it has moved live/) as string,
  });
  expect(await vm('vm1')).toMatchObject({ node: 'node2', cameFrom: 'node1', health: 'ok' });
  await lab.until('node2 holds its lock', 10_000, async () => (await lockOf('vm1')) === 'node2');
  expect((await lab.say(['ctl', 'vm', 'unmigrate', 'vm1'])).code).toBe(0);
  expect(await vm('vm1')).toMatchObject({ node: 'node1', cameFrom: null });
  // S2: also where it was before, and whose noded remembers a lock of it that is given up.
  await lab.until('node1 holds its lock again', 10_000, async () => (await lockOf('vm1')) === 'node1');
  const flushed = await lab.say(['ctl', 'node', 'flush', 'node1', '--wait']);
  expect(flushed).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/1 VMs have moved away \(1 of 1 done\)/) as string,
  });
  expect((await vm('vm1'))?.node).not.toBe('node1');
  expect((await lab.say(['ctl', 'node', 'ready', 'node1', '--wait'])).code).toBe(0);
  expect(await vm('vm1')).toMatchObject({ node: 'node1', health: 'ok' });
  expect(countBoots(ticksOf(lab.dir, 'vm1'))).toEqual({ boots: 1, isTorn: false });
  const events = await lab.events();
  expect(events.filter((event) => event.kind === 'takeover').length).toBeGreaterThan(0);
  // Who wanted what, for the record.
  const orders = events.filter((event) => event.kind === 'operator-request').map(({ because }) => because);
  expect(orders).toEqual(
    expect.arrayContaining(['vm1: migrate to node2, live or not at all', 'vm1: unmigrate', 'node1 shall be emptied']),
  );
  expect(await lab.do('ctl', 'status')).toMatch(/vms: 1 run, 0 off/);
  await forget();
});

it('a restart of the guest is one, a shutdown that it does not listen to ends in a switch-off, and crashes are bounded', async () => {
  await run('node2', 'vm2');
  await lab.do('ctl', 'vm', 'restart', 'vm2'); // this guest knows no ACPI: switched off after its time
  // Its QEMU runs before its first tick is written.
  await lab.until('it ticks anew', 10_000, () => Promise.resolve(countBoots(ticksOf(lab.dir, 'vm2')).boots > 1));
  expect(countBoots(ticksOf(lab.dir, 'vm2')).boots).toBe(2);
  expect((await lab.say(['ctl', 'vm', 'shutdown', 'vm2'])).stdout).toMatch(/vm2: it is off \(stop\)/);
  expect((await lab.say(['exec', 'node2', '--', 'virsh', '-q', 'list', '--all'])).stdout.trim()).toBe('');
  await lab.do('ctl', 'vm', 'start', 'vm2');
  // Behind our back: somebody destroys it by hand. That is noticed, and not fought.
  await lab.do('exec', 'node2', '--', 'virsh', '-q', 'destroy', guestUuid('vm2'));
  await lab.until('it is recorded as stopped', 10_000, async () => (await vm('vm2'))?.state === 'stop');
  expect((await vm('vm2'))?.because).toMatch(/behind our back/);
  // A QEMU that dies is started again; one that dies again and again is given up.
  await lab.do('ctl', 'vm', 'start', 'vm2');
  const before = countBoots(ticksOf(lab.dir, 'vm2')).boots;
  for (let kills = 0; kills < 4 && (await vm('vm2'))?.state === 'start'; kills += 1) {
    await lab.say(['exec', 'node2', '--', 'pkill', '-KILL', '-f', `uuid ${guestUuid('vm2')}`]);
    await pause(3000);
  }
  await lab.until('it has failed', 15_000, async () => (await vm('vm2'))?.state === 'fail');
  expect(countBoots(ticksOf(lab.dir, 'vm2')).boots).toBeGreaterThan(before);
  await forget();
});

it('S2: the plug of a host with five guests is pulled: all run elsewhere, none before its fence was recorded, none twice', async () => {
  await lab.healthy();
  const names = ['a1', 'a2', 'a3', 'a4', 'a5'];
  await run('node2', ...names);
  const watcher = new QemuWatcher(lab.dir);
  const struckMs = Date.now();
  await lab.do('power', 'node2', 'off');
  await lab.until('all run elsewhere', 40_000, async () =>
    (await vms()).every((row) => row.node !== 'node2' && row.health === 'ok'),
  );
  watcher.stop();
  const fenced = (await lab.events()).filter((event) => event.kind === 'fenced' && event.wallMs > struckMs)[0];
  expect(fenced?.node).toBe('node2');
  for (const name of names)
    expect(watcher.firstNewMs.get(guestUuid(name)) ?? 0).toBeGreaterThan(fenced?.wallMs ?? Infinity);
  expect(watcher.twice()).toEqual([]);
  expect(watcher.samples).toBeGreaterThan(50);
  // R30: the storage had heard of it by then.
  expect(readFileSync(storageLog, 'utf8')).toBe('node2\n');
  await forget();
});

it('S2: the same with a BMC that takes orders and does nothing, on a host that hangs: none starts, loudly; the word of a person frees them', async () => {
  await lab.healthy();
  await run('node3', 'b1');
  await lab.do('bmc', 'node3', 'stuck');
  const watcher = new QemuWatcher(lab.dir);
  await lab.do('freeze', 'node3', '--process', 'noded');
  await lab.until('the fence has failed', 40_000, async () => (await lab.node('node3'))?.state === 'fence-failed');
  await pause(2000);
  expect(watcher.firstNewMs.size).toBe(0);
  expect(await vm('b1')).toMatchObject({ node: 'node3', state: 'start', health: 'unknown' });
  expect((await lab.say(['ctl', 'vm', 'move', 'b1', '--target', 'node1', '--no-wait'])).code).toBe(0); // whatever anybody wishes
  await pause(2000);
  expect(watcher.firstNewMs.size).toBe(0);
  await lab.do('bmc', 'node3', 'ok');
  await lab.until('it runs elsewhere', 60_000, async () => {
    const row = await vm('b1');
    return row?.node !== 'node3' && row?.health === 'ok';
  });
  expect(watcher.stop().twice()).toEqual([]);
  await lab.healthy();
  await forget();
});

it('S2: a host is frozen as a whole, fenced, and thawed in the moment in which its power goes: no guest ran twice', async () => {
  await lab.healthy();
  await run('node2', 'c1');
  const watcher = new QemuWatcher(lab.dir);
  await lab.do('freeze', 'node2', '--process', 'all');
  await lab.until('its fence is recorded', 40_000, async () =>
    (await lab.fences()).some(
      (fence) => fence.node === 'node2' && fence.recordedAt !== null && fence.outcome !== 'closed',
    ),
  );
  await lab.say(['thaw', 'node2']);
  await lab.until('the guest runs elsewhere', 40_000, async () => {
    const row = await vm('c1');
    return row?.node !== 'node2' && row?.health === 'ok';
  });
  expect(watcher.stop().twice()).toEqual([]);
  await lab.healthy();
  await forget();
});

it('a live migration that is begun and fails: migrate-live stays where it is with the reason, migrate shuts down and starts there', async () => {
  await lab.healthy();
  await run('node1', 'h1');
  // The target says that it is ready, and then its QEMU cannot be reached.
  const migrationPorts = ['INPUT', '-p', 'tcp', '--dport', '49152:49215', '-j', 'REJECT', '--reject-with', 'tcp-reset'];
  await lab.do('exec', 'node2', '--', 'iptables', '-A', ...migrationPorts);
  const live = await lab.say(['ctl', 'vm', 'migrate', 'h1', '--target', 'node2', '--force-live']);
  expect(live).toMatchObject({ code: 1, stderr: expect.stringMatching(/10\.77\.0\.12.*Connection refused/) as string });
  expect(await vm('h1')).toMatchObject({ node: 'node1', state: 'start', health: 'ok' });
  expect(countBoots(ticksOf(lab.dir, 'h1'))).toEqual({ boots: 1, isTorn: false });
  const watcher = new QemuWatcher(lab.dir);
  const moved = await lab.say(['ctl', 'vm', 'migrate', 'h1', '--target', 'node2']);
  expect(moved).toMatchObject({ code: 0, stdout: expect.stringMatching(/it runs on node2/) as string });
  expect(await vm('h1')).toMatchObject({ node: 'node2', cameFrom: 'node1', state: 'start', health: 'ok' });
  await lab.until('it ticks anew', 10_000, () => Promise.resolve(countBoots(ticksOf(lab.dir, 'h1')).boots > 1));
  expect(countBoots(ticksOf(lab.dir, 'h1')).boots).toBe(2); // it was shut down, once
  expect(watcher.stop().samples).toBeGreaterThan(10);
  await lab.do('exec', 'node2', '--', 'iptables', '-D', ...migrationPorts);
  await forget();
});

const strikes = isLong ? 10 : 2;
it(
  `S2: in the middle of a live migration a plug is pulled, of its target or of its source, ${strikes} times: in the end one node runs it`,
  async () => {
    const homes: string[] = [];
    for (let round = 0; round < strikes; round += 1) {
      await lab.healthy();
      const name = `l${round}`;
      const struck = round % 2 === 0 ? 'node2' : 'node1';
      await run('node1', name);
      const life = (await lab.node(struck))?.incarnation;
      const watcher = new QemuWatcher(lab.dir);
      const command = lab.say(['ctl', 'vm', 'migrate', name, '--target', 'node2', '--force-live', '--timeout', '40s']);
      await lab.until('its target has a QEMU of it', 20_000, () => Promise.resolve(watcher.firstNewMs.size > 0));
      await pause(30 * round); // another moment each time; the command that pulls the plug takes its time, too
      await lab.do('power', struck, 'off');
      await command;
      watcher.stop();
      // The move may have been over just before: then its new home falls silent only now.
      const isBack = async () => ![undefined, null, life].includes((await lab.node(struck))?.incarnation);
      await lab.until(`${struck} has come back`, 60_000, isBack);
      await lab.until('it runs', 60_000, async () => (await vm(name))?.health === 'ok');
      await lab.healthy();
      const home = (await vm(name))?.node;
      homes.push(`${struck} struck: ${home ?? '?'}`);
      // A host that has just booted has no libvirt for a moment.
      await lab.until(`only ${home ?? '?'} has it`, 20_000, async () => {
        const said = await Promise.all(
          ['node1', 'node2', 'node3'].map(async (host) => ({
            host,
            ...(await lab.say(['exec', host, '--', 'virsh', '-q', 'list', '--all', '--uuid'])),
          })),
        );
        return said.every(
          ({ host, code, stdout }) => code === 0 && stdout.includes(guestUuid(name)) === (host === home),
        );
      });
      await forget();
    }
    process.stdout.write(`${homes.join(', ')}\n`);
  },
  120_000 * Math.ceil(strikes / 2),
);

it('R29: VMs of one anti-affinity group: a person is refused with the name of the other one, and the best node is one without', async () => {
  await lab.healthy();
  for (const [node, name] of [
    ['node1', 'k1'],
    ['node2', 'k2'],
  ] as const)
    await lab.do('ctl', 'vm', 'define', file(name), '--node', node, '--anti-affinity', 'db');
  for (const name of ['k1', 'k2']) await lab.do('ctl', 'vm', 'start', name);
  const third = await lab.say(['ctl', 'vm', 'define', file('k3'), '--node', 'node1', '--anti-affinity', 'db,web']);
  expect(third).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/node1 does not take it: k1 is there \(anti-affinity "db"\)/) as string,
  });
  const beside = await lab.say(['ctl', 'vm', 'migrate', 'k1', '--target', 'node2']);
  expect(beside).toMatchObject({ code: 4, stderr: expect.stringMatching(/k2 is there/) as string });
  // The best one is the one that is left.
  await lab.do('ctl', 'vm', 'migrate', 'k1', '--force-live');
  expect(await vm('k1')).toMatchObject({ node: 'node3', health: 'ok' });
  expect(await lab.do('ctl', 'vm', 'show', 'k1')).toMatch(/kept apart +from VMs of db/);
  const bad = await lab.say(['ctl', 'vm', 'modify', 'k1', '--anti-affinity', 'a b']);
  expect(bad).toMatchObject({ code: 2, stderr: expect.stringMatching(/"a b" is no name of a group/) as string });
  await lab.do('ctl', 'vm', 'modify', 'k1', '--anti-affinity', '');
  expect((await lab.say(['ctl', 'vm', 'migrate', 'k1', '--target', 'node2'])).code).toBe(0);
  expect(await lab.do('ctl', 'vm', 'modify', 'k1', '--anti-affinity', 'db')).toMatch(
    /! it is on node2, and k2 is there/,
  );
  await forget();
});

it('the target of a move has a libvirt that hangs: the guest goes on where it is, and the command says why', async () => {
  await lab.healthy();
  await run('node1', 'd1');
  await lab.do('freeze', 'node3', '--process', 'libvirtd');
  for (const more of [['--force-live'], []]) {
    const said = await lab.say(['ctl', 'vm', 'migrate', 'd1', '--target', 'node3', ...more]);
    expect(said.code === 1 || said.code === 4).toBe(true);
    expect(said.stderr).toMatch(
      /did not get ready within 5 s|libvirt does not answer|nothing of it was copied for 5 s/,
    );
    expect(await vm('d1')).toMatchObject({ node: 'node1', state: 'start', health: 'ok' });
  }
  await lab.do('thaw', 'node3', '--process', 'libvirtd');
  expect(countBoots(ticksOf(lab.dir, 'd1'))).toEqual({ boots: 1, isTorn: false });
  await forget();
});

it(
  `S8: libvirtd hangs on one host for ${isLong ? '10 minutes' : '15 s'}: keepalives on time, no saving throw, and it is said what is not known`,
  async () => {
    await lab.healthy();
    await run('node1', 'e1');
    const throwsSeen = () => [...lab.logs().values()].join('').split('saving throw failed').length;
    const before = throwsSeen();
    await lab.do('freeze', 'node1', '--process', 'libvirtd');
    await lab.until('it is said', 20_000, async () => (await vm('e1'))?.health === 'unknown');
    expect((await vm('e1'))?.healthBecause).toMatch(/libvirt on node1: virsh list: no answer within 5 s; killed/);
    await pause(isLong ? 600_000 : 10_000);
    expect((await lab.node('node1'))?.state).toBe('run');
    await lab.do('thaw', 'node1', '--process', 'libvirtd');
    await lab.until('it is known again', 20_000, async () => (await vm('e1'))?.health === 'ok');
    expect(throwsSeen()).toBe(before);
    expect(countBoots(ticksOf(lab.dir, 'e1'))).toEqual({ boots: 1, isTorn: false });
    await forget();
  },
  isLong ? 900_000 : 120_000,
);

it('the API of a noded moves a VM live, refuses by the same rules, and answers as it describes itself', async () => {
  await lab.healthy();
  await run('node1', 'g1');
  const call = async (method: string, path: string, body?: object) => {
    const words = [
      '/opt/lab/node',
      '/opt/nodekeeper/test/support/ask-socket.mjs',
      '/run/nodekeeper/noded.sock',
      method,
      path,
    ];
    const said = await lab.do('exec', 'node2', '--', ...words, ...(body === undefined ? [] : [JSON.stringify(body)]));
    return JSON.parse(said) as { status: number; value: Record<string, unknown> };
  };
  const { value: document } = await call('GET', '/v1/openapi.json');
  const described = async (method: string, path: string, body: object | undefined, status: number) => {
    const answered = await call(method, path, body);
    expect({ path, status: answered.status }).toEqual({ path, status });
    expect(undescribed(document, method, path, status, answered.value)).toBeNull();
    return answered.value;
  };
  await described('POST', '/v1/vms/g1/migrate', { forceLive: true, target: 'node2', by: 'a test' }, 202);
  await lab.until('it runs on node2', 20_000, async () => {
    const row = await described('GET', '/v1/vms/g1', undefined, 200);
    return row['node'] === 'node2' && row['health'] === 'ok' && row['move'] === null;
  });
  const refused = await described('POST', '/v1/vms/g1/migrate', { target: 'node2' }, 409);
  expect(refused['because']).toMatch(/a VM does not migrate to itself/);
  await described('GET', '/v1/vms', undefined, 200);
  await described('POST', '/v1/vms/nobody/start', undefined, 404);
  expect(countBoots(ticksOf(lab.dir, 'g1'))).toEqual({ boots: 1, isTorn: false });
  await forget();
});

describe('wrong input', () => {
  const xml = guestXml('wrong');
  it.each<readonly [string, string, RegExp]>([
    ['10 MB of XML', `${xml}${' '.repeat(10_000_000)}`, /10000\d+ bytes; at most 150000/],
    [
      'external entities',
      `<!DOCTYPE domain [<!ENTITY x SYSTEM "file:///etc/shadow">]>${xml}`,
      /declares a document type/,
    ],
    ['another hypervisor', xml.replace("type='qemu'", "type='xen'"), /its type is "xen"; expected kvm or qemu/],
    ['no UUID', xml.replace(/<uuid>.*<\/uuid>/, ''), /it has no <uuid>; uuidgen makes one/],
    ['no XML', 'hello', /it is not XML/],
    ['an empty file', '', /it is not XML/],
    [
      'a name with a slash',
      xml.replace('<name>wrong', '<name>../wrong'),
      /the name "..\/wrong" is not one that libvirt takes/,
    ],
    ['a name with a line feed', xml.replace('<name>wrong', '<name>a&#10;b'), /the name "a\\nb" is not one/],
  ])('%s: exit code 2, and what is wrong', async (_what, text, wanted) => {
    const said = await lab.say(['ctl', 'vm', 'define', file('wrong', text)]);
    expect(said).toMatchObject({ code: 2, stderr: expect.stringMatching(wanted) as string });
  });

  it("what libvirt refuses is refused in libvirt's words, and leaves nothing behind", async () => {
    const bad = xml.replace("machine='pc'", "machine='toaster'");
    const said = await lab.say(['ctl', 'vm', 'define', file('wrong', bad)]);
    expect(said).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/is not taken: virsh define: .*toaster/) as string,
    });
    expect(await vms()).toEqual([]);
  });

  it('a name full of quotes and semicolons is a name like any other; two of one name are not', async () => {
    const name = `it's "odd"; rm -rf $HOME`;
    const escaped = name.replaceAll('"', '&quot;');
    const odd = guestXml('odd').replace('<name>odd</name>', `<name>${escaped}</name>`);
    await lab.do('ctl', 'vm', 'define', file(name, odd), '--node', 'node1');
    await lab.do('ctl', 'vm', 'start', name);
    expect(await vm(name)).toMatchObject({ node: 'node1', health: 'ok' });
    const twin = await lab.say(['ctl', 'vm', 'define', file('twin', odd.replace(guestUuid('odd'), guestUuid('twin')))]);
    expect(twin).toMatchObject({ code: 4, stderr: expect.stringMatching(/belongs to a VM already/) as string });
    expect((await lab.say(['ctl', 'vm', 'undefine', name, '--yes'])).code).toBe(4); // it runs
    await forget();
  });

  it('two people give one VM two homes and start it at once: one node runs it', async () => {
    await define('f1', 'node1');
    await Promise.all([
      lab.say(['ctl', 'vm', 'move', 'f1', '--target', 'node2']),
      lab.say(['ctl', 'vm', 'move', 'f1', '--target', 'node3']),
      lab.say(['ctl', 'vm', 'start', 'f1', '--no-wait']),
      lab.say(['ctl', 'vm', 'start', 'f1', '--no-wait']),
    ]);
    await lab.until('it runs', 20_000, async () => (await vm('f1'))?.health === 'ok');
    await pause(1000);
    // A move after the start is a live migration: the counter goes on. Two guests would count twice.
    expect(countBoots(ticksOf(lab.dir, 'f1'))).toEqual({ boots: 1, isTorn: false });
    expect((await lab.say(['ctl', 'vm', 'migrate', 'f1', '--target', (await vm('f1'))?.node ?? ''])).stderr).toMatch(
      /a VM does not migrate to itself/,
    );
    await forget();
  });
});
