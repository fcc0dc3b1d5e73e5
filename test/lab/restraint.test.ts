/** Where a fence must not begin, or needs a person: storms, what is no death, a lost quorum, an operator's word; on real hosts. */
import { LabDriver } from '../support/lab.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
/** The long form adds five coordinators: NODEKEEPER_LONG=1. */
const isLong = process.env['NODEKEEPER_LONG'] === '1';
const fast = ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'];
const up = (options: readonly string[], set: readonly string[]) => lab.up(options, [...fast, ...set]);

afterAll(async () => {
  await lab.end();
});

describe('storms, and an operator', () => {
  beforeAll(async () => {
    await up(['--nodes', '5', '--coordinators', '3'], ['fencing.levelDeadline=6s', 'fencing.retryBackoff=60s']);
  });
  afterAll(async () => {
    await lab.do('down');
  });

  it('S3: half of the nodes silent at once: nobody is fenced, it is said everywhere, and maintenance or an operator resolves it', async () => {
    await lab.healthy();
    const silent = ['node3', 'node4', 'node5'];
    await Promise.all(silent.map((node) => lab.do('freeze', node, '--process', 'noded')));
    await lab.until('the storm guard holds', 20_000, async () =>
      (await lab.eventsOf('guard-held')).some((event) => /storm/.test(event.because)),
    );
    await pause(4000);
    expect(await lab.eventsOf('fence-intent')).toEqual([]);
    expect((await lab.say(['ctl', 'status'])).stdout).toMatch(
      /it is not fenced: storm: \d of 5 nodes are silent together/,
    );
    const explained = await lab.say(['ctl', 'explain', 'node4']);
    expect(explained.stdout).toMatch(/does not fence it: storm/);
    expect((await lab.say(['ctl', 'fence', 'simulate', 'node4'])).code).toBe(4);
    await lab.do('ctl', 'maintenance', 'on', '--reason', 'the switch is being looked at');
    for (const node of ['node3', 'node4']) await lab.do('thaw', node, '--process', 'noded');
    const said = await lab.say(['ctl', 'fence', 'node5', '--yes', '--reason', 'it hangs']);
    expect(said.code).toBe(0); // an operator overrules storm and maintenance
    await lab.do('ctl', 'maintenance', 'off');
    await lab.healthy();
    expect((await lab.fences()).filter((fence) => fence.outcome !== 'none').map((fence) => fence.node)).toEqual([
      'node5',
    ]);
  });

  it("an operator's word: refused while the node lives, asked for by name, recorded with who gave it", async () => {
    await lab.healthy();
    const alive = await lab.say(['ctl', 'fence', 'confirm', 'node4', '--yes']);
    expect(alive).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/"alive": it publishes keepalives/) as string,
    });
    expect((await lab.say(['ctl', 'fence', 'confirm', 'node4'])).code).toBe(2); // no terminal to ask on
    await lab.do('bmc', 'node4', 'down');
    await lab.do('power', 'node4', 'off');
    await lab.until('all levels have failed', 60_000, async () => (await lab.node('node4'))?.state === 'fence-failed');
    const said = await lab.say(['ctl', 'fence', 'confirm', 'node4', '--yes', '--reason', 'I pulled its cords']);
    expect(said).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/confirmed by hand[\s\S]*I pulled its cords/) as string,
    });
    const [fence] = (await lab.fences()).filter(({ node }) => node === 'node4');
    expect(fence).toMatchObject({ level: 'manual', outcome: 'finished' });
    expect((await lab.say(['ctl', 'fence', 'confirm', 'node4', '--yes'])).stdout).toMatch(/recorded as off already/);
    await lab.do('bmc', 'node4', 'ok');
    await lab.do('power', 'node4', 'on');
    await lab.healthy();
  });

  it('S4: the word is not taken while power reads on, unless the device is known to be wrong', async () => {
    await lab.do('bmc', 'node5', 'stuck');
    await lab.do('freeze', 'node5', '--process', 'noded');
    await lab.until('all levels have failed', 60_000, async () => (await lab.node('node5'))?.state === 'fence-failed');
    const on = await lab.say(['ctl', 'fence', 'confirm', 'node5', '--yes']);
    expect(on).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(/its power reads on.*--despite-reading/) as string,
    });
    await lab.do('bmc', 'node5', 'ok');
    expect((await lab.say(['ctl', 'fence', 'node5', '--yes'])).code).toBe(0);
    await lab.healthy();
  });
});

describe('what must not be taken for a death', () => {
  beforeAll(async () => {
    await up(['--nodes', '3'], ['subsystems.ceph.enabled=true', 'subsystems.libvirt.enabled=true']);
  });
  afterAll(async () => {
    await lab.do('down');
  });
  /** Saving throws from the second on are lines of every log. */
  const throwsSeen = () =>
    [...lab.logs()]
      .filter(([name]) => name.startsWith('noded-'))
      .flatMap(([, text]) => text.split('\n'))
      .filter((line) => line.includes('saving throw failed')).length;
  const leader = () => lab.leader(['node1', 'node2', 'node3']);
  const zookeeper = async (host: string, word: 'kill' | 'freeze') => {
    if (word === 'kill') await lab.do('exec', host, '--', 'pkill', '-KILL', '-f', 'QuorumPeerMain');
    else await lab.do('freeze', host, '--process', 'zookeeper');
  };

  it.each<readonly [string, () => Promise<unknown>, () => Promise<unknown>]>([
    ['a hung ceph', () => lab.do('hang', 'node1', 'ceph'), () => lab.do('unhang', 'node1', 'ceph')],
    ['a hung libvirtd', () => lab.do('hang', 'node1', 'libvirt'), () => lab.do('unhang', 'node1', 'libvirt')],
    [
      'a full disk',
      () =>
        lab.do(
          'exec',
          'node1',
          '--',
          'bash',
          '-c',
          'mkdir -p /var/lib/nodekeeper; mount -t tmpfs -o size=4k full /var/lib/nodekeeper; head -c 9000 /dev/zero > /var/lib/nodekeeper/full; true',
        ),
      () => lab.do('exec', 'node1', '--', 'umount', '/var/lib/nodekeeper'),
    ],
    [
      'a CPU hog',
      () =>
        lab.do(
          'exec',
          'node1',
          '--',
          'bash',
          '-c',
          'for i in 1 2 3; do (setsid timeout 5 bash -c "while :; do :; done" >/dev/null 2>&1 &); done',
        ),
      () => Promise.resolve(),
    ],
    [
      'one lost ZooKeeper server',
      async () => zookeeper((await leader()) === 'node1' ? 'node2' : 'node1', 'kill'),
      () => Promise.resolve(),
    ],
    ['a ZooKeeper leader that is lost', async () => zookeeper(await leader(), 'kill'), () => Promise.resolve()],
  ])('S3: %s: no saving throw reaches 2, and nobody is fenced', async (_what, begin, end) => {
    await lab.healthy();
    await pause(2000);
    const before = throwsSeen();
    await begin();
    await pause(5000);
    await end();
    await lab.healthy();
    expect(throwsSeen() - before).toBe(0);
    expect((await lab.fences()).filter((fence) => fence.outcome !== 'none')).toEqual([]);
  });
});

describe('a lost quorum', () => {
  afterEach(async () => {
    await lab.do('down');
  });
  const boots = async () => new Map((await lab.hosts()).map((host) => [host.name, host.initPid]));

  it('2 of 3 plugs pulled: the survivor powers one on, then quorum, then ordinary work; nobody helps', async () => {
    await up(['--nodes', '3'], []);
    await pause(2000);
    // Together: three seconds apart the first one is fenced with the quorum that is still there.
    await Promise.all(['node1', 'node3'].map((node) => lab.do('power', node, 'off')));
    // The server that is left serves until it has noticed that the others are gone.
    await lab.until('the survivor has no quorum, and says so', 15_000, async () => {
      const { code, stdout } = await lab.say(['exec', 'node2', '--', 'nodectl', 'quorum', 'status']);
      return code === 1 && /no quorum: \d of 3 ZooKeeper servers serve; 2 are needed/.test(stdout);
    });
    expect((await lab.say(['exec', 'node2', '--', 'nodectl', 'status', '--stale'])).stdout).toMatch(
      /nothing of this is certain/,
    );
    await lab.healthy(90_000);
    const revived = (await lab.eventsOf('power-on')).filter((event) => /without a quorum/.test(event.because));
    expect(revived.map((event) => `${event.by} ${event.node ?? ''}`)).toEqual(['node2 node1']);
    expect((await lab.say(['exec', 'node2', '--', 'nodectl', 'quorum', 'status'])).code).toBe(0);
  });

  if (isLong)
    it('3 of 5 likewise: the two survivors choose different machines', async () => {
      await up(['--nodes', '5', '--zookeepers', '5'], []);
      await pause(2000);
      await Promise.all(['node1', 'node2', 'node4'].map((node) => lab.do('power', node, 'off')));
      await lab.healthy(120_000);
      const revived = (await lab.eventsOf('power-on')).filter((event) => /without a quorum/.test(event.because));
      expect(revived.map((event) => event.by).sort()).toEqual(['node3', 'node5']);
      expect(new Set(revived.map((event) => event.node)).size).toBe(2);
    });

  it('the same with a partition: nothing is switched by anyone without a quorum', async () => {
    await up(['--nodes', '3'], []);
    await pause(2000);
    const before = await boots();
    for (const node of ['node1', 'node2', 'node3']) await lab.do('cut', node);
    await pause(15_000);
    expect(await boots()).toEqual(before);
    expect((await lab.hosts()).map(({ power }) => power)).toEqual(['on', 'on', 'on']);
    await lab.do('heal');
    await lab.healthy(60_000);
    expect(await boots()).toEqual(before);
    expect(await lab.eventsOf('fence-intent')).toEqual([]);
  });
});
