/** The primary role on real hosts: the address is never on two of them, and ends on a healthy one (S1, S9). */
import { AddressWatch } from '../support/address-watch.ts';
import { LabDriver } from '../support/lab.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
const hosts = ['node1', 'node2', 'node3'];
/** How long the outage stories last, how often everybody asks at once, and how long nobody may flap afterwards. */
const outageMs = Number(process.env['NODEKEEPER_OUTAGE_MS'] ?? 8000);
const rounds = Number(process.env['NODEKEEPER_ROUNDS'] ?? 3);
const calmMs = Number(process.env['NODEKEEPER_CALM_MS'] ?? 3000);
/** Lease and stop of the address: what the configuration of this lab promises (nodectl config check). */
const stepDownMs = 1333 + 1000;
/** Verdict, fence, takeover: savingThrows 3, interval 1 s, and time for a loaded machine. */
const failoverMs = 15_000;

let watch: AddressWatch;
const fast = [
  'keepalive.interval=1s',
  'detection.savingThrows=3',
  'fencing.maxFencesPerHour=100',
  'primary.checkInterval=1s',
];

const primary = async (): Promise<{ holder: string | null; state: string; epoch: number }> =>
  (
    JSON.parse(await lab.do('ctl', 'status', '--json')) as {
      primary: { holder: string | null; state: string; epoch: number };
    }
  ).primary;
const settled = async (): Promise<string> => {
  await lab.healthy();
  await lab.do('ctl', 'wait', '--for', 'primary', '--timeout', '30s');
  let where = '';
  await lab.until('the address lies on the primary alone', 5000, async () => {
    const { holder } = await primary(); // anew each time: it may move on its own right after a fault
    where = watch.now().join();
    return where === holder;
  });
  return where;
};
const fencesOf = async () => (await lab.fences()).filter((fence) => fence.outcome !== 'none').length;
const startNoded = (host: string) =>
  lab.do('exec', host, '--', 'bash', '-c', 'setsid /opt/lab/host/noded.sh $(hostname) > /dev/null 2>&1 &');
const movedFrom = (before: string) =>
  lab.until('another node is primary and has the address', failoverMs, async () => {
    const { holder, state } = await primary();
    return state === 'primary' && holder !== before && watch.now().join() === holder;
  });

describe('one address', () => {
  beforeAll(async () => {
    await lab.up(['--nodes', '3'], fast);
    watch = new AddressWatch(lab.dir, hosts);
  });
  afterAll(async () => {
    watch.stop();
    await lab.do('down');
  });
  afterEach(() => expect(watch.overlaps()).toEqual([]));

  it('takeover and relinquish move it, show every step, and say how long it was away', async () => {
    const before = await settled();
    const target = hosts.find((host) => host !== before) ?? '';
    const said = await lab.say(['ctl', 'primary', 'takeover', '--node', target]);
    expect(said).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /preparing[\s\S]*prepared[\s\S]*stopping[\s\S]*starting[\s\S]*done[\s\S]*vip was away for [\d.]+ ms/,
      ) as string,
    });
    expect((await primary()).holder).toBe(target);
    const back = await lab.say(['ctl', 'primary', 'relinquish', '--to', before, '--json']);
    expect(JSON.parse(back.stdout)).toMatchObject({ state: 'done', from: target, to: before });
    expect(await settled()).toBe(before);
  });

  it('what cannot be done is refused with the reason, and nothing is touched', async () => {
    const holder = await settled();
    const { epoch } = await primary();
    const other = hosts.find((host) => host !== holder) ?? '';
    await lab.do('ctl', 'maintenance', 'on', '--node', other, '--reason', 'new disk');
    for (const [words, reason] of [
      [['takeover', '--node', holder], /is primary already/],
      [['takeover', '--node', 'nobody'], /there is no node "nobody"/],
      [['takeover', '--node', other], /is in maintenance: new disk/],
      [['takeover', '--node', other, '--dry-run'], /is in maintenance: new disk/],
      [['relinquish', '--to', holder], /is primary already/],
    ] as const) {
      // The node publishes that it is in maintenance with its next look.
      await lab.until(`refused: ${words.join(' ')}`, 3000, async () => {
        const said = await lab.say(['ctl', 'primary', ...words]);
        return said.code === (words.some((word) => word === 'nobody') ? 2 : 4) && reason.test(said.stderr);
      });
    }
    await lab.do('ctl', 'maintenance', 'off', '--node', other);
    expect(await primary()).toMatchObject({ holder, epoch });
  });

  it(
    `S1: every coordinator is asked to take over at the same moment, ${rounds} times: one gets it, nobody flaps`,
    async () => {
      for (let round = 0; round < rounds; round += 1) {
        await settled();
        const before = await primary();
        const said = await Promise.all(hosts.map((host) => lab.say(['ctl', 'primary', 'takeover', '--node', host])));
        // The commands start some 100 ms apart: one that asks when the transfer before it is over is carried out in its turn.
        const carriedOut = said.filter(({ code }) => code === 0).length;
        expect(carriedOut).toBeGreaterThan(0);
        expect(said.filter(({ code }) => code === 4).length).toBe(hosts.length - carriedOut);
        const after = await primary();
        expect(after).toMatchObject({ state: 'primary', epoch: before.epoch + carriedOut });
        await pause(calmMs);
        expect(await primary()).toEqual(after);
      }
    },
    60_000 + rounds * (20_000 + calmMs),
  );

  it('SIGTERM of the primary: one transfer, no fence, no saving throw; it waits for its successor', async () => {
    const before = await settled();
    const fences = await fencesOf();
    const { epoch } = await primary();
    await lab.say(['exec', before, '--', 'pkill', '-TERM', '-f', 'daemon/main.js']);
    await movedFrom(before);
    expect((await primary()).epoch).toBe(epoch + 1);
    await lab.do('ctl', 'wait', '--for', 'stop', '--node', before, '--timeout', '20s');
    await pause(4000);
    expect((await lab.node(before))?.throws).toBe(0);
    expect(await fencesOf()).toBe(fences);
    expect((await lab.node(before))?.state).toBe('stop');
    await startNoded(before);
    await lab.healthy();
  });

  it('S1: its noded is frozen: the address stays where it is until power is off, then it lies on a survivor', async () => {
    const before = await settled();
    await lab.do('freeze', before, '--process', 'noded');
    await movedFrom(before);
    const [fence] = await lab.fences();
    expect(fence).toMatchObject({ node: before });
    expect(watch.lastMs(before)).toBeLessThanOrEqual((fence?.confirmedAt ?? 0) + 100);
    expect(await settled()).not.toBe(before);
  });

  it.each([
    ['only the store', ['--store']],
    ['everything', []],
  ])(
    'S9: it is cut from %s: it lets go by itself within its lease, and a healthy node has the address',
    async (_what, how) => {
      const before = await settled();
      const cutMs = Date.now();
      await lab.do('cut', before, ...how);
      await movedFrom(before);
      expect(watch.lastMs(before) - cutMs).toBeLessThan(stepDownMs + 700); // 700 ms: `scripts/lab cut` itself
      await lab.do('heal');
      await settled();
    },
  );

  it('its ZooKeeper server is frozen: its session goes on through another, and nobody loses anything', async () => {
    const before = await settled();
    const { epoch } = await primary();
    const fences = await fencesOf();
    const fromMs = Date.now();
    await lab.do('freeze', before, '--process', 'zookeeper');
    await pause(6000);
    await lab.do('thaw', before);
    await settled();
    expect(await fencesOf()).toBe(fences);
    // A leader among the servers may have been frozen: an election longer than the lease costs the role, never twice.
    const after = await primary();
    expect(after.epoch - epoch).toBeLessThanOrEqual(2);
    expect(watch.longestGapMs(fromMs)).toBeLessThan(outageMs);
  });

  it('the whole ensemble is frozen: the primary lets go inside its lease, and has the address again after', async () => {
    const before = await settled();
    const fences = await fencesOf();
    const { fromMs, thaw } = await lab.freezeEnsemble(hosts);
    await pause(stepDownMs + 1000);
    expect(watch.now()).toEqual([]);
    expect(watch.lastMs(before) - fromMs).toBeLessThan(stepDownMs + 1000);
    await pause(outageMs);
    await thaw();
    await settled();
    expect(await fencesOf()).toBe(fences);
  });

  it('SIGKILL of its noded: the next life first takes the address away, then stands again', async () => {
    const before = await settled();
    await lab.say(['exec', before, '--', 'pkill', '-KILL', '-f', 'daemon/main.js']);
    await lab.until('the former life is cleaned up', 15_000, async () =>
      (await lab.events()).some(
        (event) => event.by === before && /a former life left running: vip/.test(event.because),
      ),
    );
    await settled();
  });

  it('maintenance of the primary: the role is gone before the command returns; leave and join; wait', async () => {
    const before = await settled();
    await lab.do('ctl', 'maintenance', 'on', '--node', before, '--reason', 'new disk');
    expect((await primary()).holder).not.toBe(before);
    expect(await lab.do('ctl', 'status')).toContain(`${before} is in maintenance: new disk`);
    await lab.do('ctl', 'maintenance', 'off', '--node', before);
    const second = await settled();
    await lab.do('ctl', 'leave', '--node', second, '--reason', 'moves');
    expect((await primary()).holder).not.toBe(second);
    await pause(2500);
    expect((await lab.node(second))?.state).toBe('stop');
    expect(await lab.do('ctl', 'status')).toContain(`${second} has left the cluster by`);
    await lab.do('ctl', 'join', '--node', second);
    expect((await lab.say(['ctl', 'wait', '--for', 'fenced', '--node', second, '--timeout', '1s'])).code).toBe(5);
    await settled();
  });

  it('S1: all data of ZooKeeper is lost: nodes register anew, nobody is fenced, and the role goes on with a higher epoch', async () => {
    const before = await settled();
    const { epoch } = await primary();
    const boots = async () => (await lab.hosts()).map(({ initPid }) => initPid);
    const pids = await boots();
    const words = 'pkill -KILL -f [Q]uorumPeerMain; rm -rf /var/lib/lab-zookeeper/version-2';
    await Promise.all(hosts.map((host) => lab.say(['exec', host, '--', 'bash', '-c', words])));
    await lab.until('the role is held again', 40_000, async () => {
      const said = await lab.say(['ctl', 'status', '--json']);
      if (said.code !== 0) return false;
      const now = (JSON.parse(said.stdout) as { primary: { state: string; epoch: number } }).primary;
      return now.state === 'primary' && now.epoch > epoch;
    });
    await settled();
    expect(await boots()).toEqual(pids);
    expect(await fencesOf()).toBe(0);
    const told = (await lab.events()).filter((event) => event.kind === 'store-set-back');
    expect(told.map(({ because }) => because).join()).toMatch(new RegExp(`has seen ${epoch}: ZooKeeper was rebuilt`));
    expect(before).not.toBe('');
  });

  it('election status asks every coordinator itself: primary, secondary, timeout, refused; debug shows the ring', async () => {
    const holder = await settled();
    const [frozen = '', other = ''] = hosts.filter((host) => host !== holder);
    const rows = async () =>
      JSON.parse((await lab.say(['ctl', 'election', 'status', '--json', '--timeout', '1s'])).stdout) as {
        id: string;
        status: string;
        message: string;
      }[];
    expect((await rows()).map(({ id, status }) => [id, status])).toEqual(
      hosts.map((host) => [host, host === holder ? '200' : '303']),
    );
    await lab.do('freeze', other, '--process', 'noded-service');
    await lab.say(['exec', other, '--', 'pkill', '-TERM', '-f', 'daemon/main.js']);
    await lab.do('ctl', 'wait', '--for', 'stop', '--node', other, '--timeout', '20s');
    await lab.do('freeze', frozen, '--process', 'noded');
    const during = await rows();
    await lab.do('thaw', frozen);
    expect(during.find(({ id }) => id === holder)).toMatchObject({ status: '200' });
    expect(during.find(({ id }) => id === frozen)).toMatchObject({ status: 'timeout' });
    await lab.until(
      'nobody serves there',
      5000,
      async () => (await rows()).find(({ id }) => id === other)?.status === 'refused',
    );
    await lab.say(['exec', other, '--', 'pkill', '-KILL', '-f', 'noded.sh']);
    await startNoded(other);
    await lab.healthy();
    expect(await lab.do('ctl', 'election', 'debug', '--node', holder)).toMatch(/secondary:appointed:takeover/);
    expect((await lab.say(['ctl', 'election', 'leave'])).stdout).toMatch(/nothing to leave/);
  });

  it('S1, S9: is-leader, run and once: what runs under the role ends before anybody else has it', async () => {
    const holder = await settled();
    const other = hosts.find((host) => host !== holder) ?? '';
    expect(await lab.do('exec', holder, '--', 'nodectl', 'primary', 'is-leader', '--for', '500ms')).toMatch(
      /primary, epoch \d+, lease left \d+ ms/,
    );
    expect((await lab.say(['exec', other, '--', 'nodectl', 'primary', 'is-leader'])).code).toBe(1);
    expect((await lab.say(['exec', holder, '--', 'nodectl', 'primary', 'is-leader', '--for', '60s'])).code).toBe(1);

    // It ignores SIGTERM, and says every 50 ms that it lives.
    const words = 'trap "" TERM; while :; do date +%s%3N >> /opt/lab/log/bound-$(hostname); sleep 0.05; done';
    const running = lab.say(['exec', holder, '--', 'nodectl', 'primary', 'run', '--', 'bash', '-c', words], 60_000);
    const waiting = lab.say(
      [
        'exec',
        other,
        '--',
        'nodectl',
        'primary',
        'run',
        '--',
        'bash',
        '-c',
        words.replace('while :', 'for i in 1 2 3'),
      ],
      60_000,
    );
    const times = (host: string) => (lab.logs().get(`bound-${host}`) ?? '').trim().split('\n').map(Number);
    await lab.until('the command runs', 20_000, () => Promise.resolve(times(holder).length > 5));
    await lab.do('ctl', 'primary', 'takeover', '--node', other);
    await running;
    await waiting;
    expect(times(holder).length).toBeGreaterThan(5);
    expect(times(other).length).toBe(3);
    expect(Math.max(...times(holder))).toBeLessThan(Math.min(...times(other)));

    const once = (host: string, ...command: string[]) =>
      lab.say(['exec', host, '--', 'nodectl', 'primary', 'once', 'bootstrap', '--', ...command]);
    expect(await once(holder, 'true')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/not primary/) as string,
    });
    expect(await once(other, 'false')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/failed: exit code 1; it may be tried again/) as string,
    });
    expect((await once(other, 'touch', '/opt/lab/log/bootstrapped')).code).toBe(0);
    expect(await once(other, 'false')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/was done by/) as string,
    });
    expect(await once(holder, 'false')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/nothing was run/) as string,
    });
  });
});

describe('failsafe, hooks and commands', () => {
  // Each is steered by files on the host: /run/fail-start, /run/hang-stop, /run/fail-hook.
  const app = `{type: command, name: app, stopTimeout: 2s, start: [bash, -c, 'test -e /run/fail-start && exit 1; yes megabytes | head -c 3000000; (sleep 1000 &) ; touch /run/app'], stop: [bash, -c, 'trap "" TERM; test -e /run/hang-stop && sleep 100; rm -f /run/app'], status: [bash, -c, 'test -e /run/app || exit 3']}`;
  const more = [
    `primary.resources=[{type: address, name: vip, address: 10.77.0.200/24, interface: eth0}, {type: address, name: vip6, address: 'fd77::200/64', interface: eth0}, ${app}]`,
    `primary.hooks.takeover=[{command: [bash, -c, 'test ! -e /run/fail-hook'], timeout: 2s}]`,
    `primary.hooks.deposed=[{command: [bash, -c, 'echo "deposed epoch=$NODEKEEPER_EPOCH node=$NODEKEEPER_NODE" >> /opt/lab/log/hooks']}]`,
    'primary.failsafe=true',
    'primary.barAfterFailure=2s',
  ];
  beforeAll(async () => {
    await lab.up(['--nodes', '3'], [...fast, ...more]);
    watch = new AddressWatch(lab.dir, hosts);
  });
  afterAll(async () => {
    watch.stop();
    await lab.end();
  });
  afterEach(async () => {
    for (const host of hosts) await lab.say(['exec', host, '--', 'bash', '-c', 'rm -f /run/fail-* /run/hang-*']);
    expect(watch.overlaps()).toEqual([]);
  });

  it('6.5: the whole ensemble is frozen: the address stays up all along, and nothing has changed after', async () => {
    const before = await settled();
    const { epoch } = await primary();
    const { fromMs, thaw } = await lab.freezeEnsemble(hosts);
    await pause(outageMs);
    expect(watch.now()).toEqual([before]);
    await thaw();
    await settled();
    expect(await primary()).toMatchObject({ holder: before, epoch });
    expect(watch.longestGapMs(fromMs)).toBeLessThan(1000);
    const said = (await lab.events()).map((event) => event.because).join('\n');
    expect(said).toMatch(/goes on without the store: all 2 other coordinators agree/);
  });

  it('an IPv6 address moves too, and its neighbours learn it at once', async () => {
    const before = await settled();
    const [target = '', third = ''] = hosts.filter((host) => host !== before);
    for (const [index, host] of hosts.entries())
      await lab.do('exec', host, '--', 'ip', 'addr', 'replace', `fd77::1${index}/64`, 'dev', 'eth0', 'nodad');
    const reaches = () => lab.say(['exec', third, '--', 'ping', '-6', '-c', '1', '-W', '1', 'fd77::200']);
    await lab.until('the third host reaches it', 5000, async () => (await reaches()).code === 0);
    await lab.do('ctl', 'primary', 'takeover', '--node', target);
    await pause(300);
    expect((await reaches()).code).toBe(0);
    expect(await lab.do('exec', third, '--', 'ip', '-6', 'neigh', 'show', 'fd77::200')).toContain(
      `lladdr 02:77:00:00:00:0${target.slice(4)}`,
    );
    await settled();
  });

  it('a stop that hangs and ignores SIGTERM: the transfer fails, the old primary works on, and the reason is told', async () => {
    const before = await settled();
    const target = hosts.find((host) => host !== before) ?? '';
    await lab.do('exec', before, '--', 'touch', '/run/hang-stop');
    const said = await lab.say(['ctl', 'primary', 'takeover', '--node', target]);
    expect(said).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /could not let go and goes on: app could not be stopped .*no end within 2 s/,
      ) as string,
    });
    expect(await settled()).toBe(before);
    expect((await lab.say(['exec', before, '--', 'test', '-e', '/run/app'])).code).toBe(0);
  });

  it.each([
    ['hook takeover', '/run/fail-hook', /hook takeover: bash .*exit code 1/],
    ['app', '/run/fail-start', /app could not be started .*exit code 1/],
  ])('a takeover that fails (%s): the role goes back, and the reason is told', async (_what, file, reason) => {
    const before = await settled();
    const target = hosts.find((host) => host !== before) ?? '';
    await lab.do('exec', target, '--', 'touch', file);
    const said = await lab.say(['ctl', 'primary', 'takeover', '--node', target]);
    expect(said).toMatchObject({ code: 1, stderr: expect.stringMatching(/primary again/) as string });
    expect(said.stdout).toMatch(reason);
    expect(await settled()).toBe(before);
    await pause(2500); // it stands again
  });

  it('the target loses power between its promise and the hand-over: one working primary at the end', async () => {
    const before = await settled();
    const target = hosts.find((host) => host !== before) ?? '';
    await lab.do('exec', before, '--', 'touch', '/run/hang-stop');
    const moving = lab.say(['ctl', 'primary', 'takeover', '--node', target]);
    await lab.until('the holder is stopping', 10_000, async () => (await primary()).state === 'relinquish');
    await lab.do('power', target, 'off');
    await lab.do('exec', before, '--', 'rm', '-f', '/run/hang-stop');
    expect([1, 5]).toContain((await moving).code);
    await settled();
  });

  it('deposed hooks run, with the epoch in their environment, also after a crash', async () => {
    const before = await settled();
    const { epoch } = await primary();
    await lab.say(['exec', before, '--', 'pkill', '-KILL', '-f', 'daemon/main.js']);
    await lab.until('the deposed hook has run', 15_000, () =>
      Promise.resolve((lab.logs().get('hooks') ?? '').includes(`deposed epoch=${epoch} node=${before}`)),
    );
    await settled();
  });
});
