/** Fencing that can be trusted, on real hosts: BMC faults, levels, watchdogs, fencers that die, drills. */
import { readFileSync } from 'node:fs';
import { LabDriver } from '../support/lab.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
/** The long form adds the two other ways to fall silent, and more moments for a fencer to die: NODEKEEPER_LONG=1. */
const isLong = process.env['NODEKEEPER_LONG'] === '1';
const fast = ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'];
const up = (options: readonly string[], set: readonly string[]) => lab.up(options, [...fast, ...set]);
const fencedOf = async (node: string) => (await lab.fences()).filter((fence) => fence.node === node);

afterAll(async () => {
  await lab.end();
});

describe('every fault of a BMC, and every way to fall silent', () => {
  // What the safety rules allow: S4 lets a node be called fenced only by a reading of off that can be believed.
  const outcomes: Readonly<Record<string, Readonly<Record<string, 'fenced' | 'failed'>>>> = {
    ok: { plug: 'fenced', frozen: 'fenced', cut: 'fenced' },
    'slow=1': { plug: 'fenced', frozen: 'fenced', cut: 'fenced' },
    down: { plug: 'failed', frozen: 'failed', cut: 'failed' },
    badpass: { plug: 'failed', frozen: 'failed', cut: 'failed' },
    'user-level': { plug: 'fenced', frozen: 'failed', cut: 'failed' },
    stuck: { plug: 'fenced', frozen: 'failed', cut: 'failed' },
    'lies-off': { plug: 'failed', frozen: 'failed', cut: 'failed' },
  };
  const faults = Object.keys(outcomes);
  /** Workers, one for each fault; the three coordinators fence. */
  const victimOf = (fault: string) => `node${4 + faults.indexOf(fault)}`;
  const victims = faults.map(victimOf);
  const table: string[] = [];

  beforeAll(async () => {
    await up(
      ['--nodes', String(3 + faults.length), '--coordinators', '3'],
      [
        'fencing.maxConcurrentFences=20',
        'fencing.maxUnhealthy=50',
        'fencing.levelDeadline=6s',
        'fencing.verifyInterval=1h',
        'fencing.retryBackoff=3s',
        'fencing.retryBackoffMax=6s',
      ],
    );
  }, 120_000);
  afterAll(async () => {
    await lab.do('down');
    process.stdout.write(`${table.join('\n')}\n`);
  });

  const strikes: Readonly<Record<string, (victim: string) => Promise<unknown>>> = {
    plug: (victim) => lab.do('power', victim, 'off'),
    frozen: (victim) => lab.do('freeze', victim, '--process', 'noded'),
    cut: (victim) => lab.do('cut', victim),
  };

  it.each(isLong ? Object.keys(strikes) : ['frozen'])('S4: %s', async (way) => {
    await lab.healthy(90_000);
    for (const fault of faults) await lab.do('bmc', victimOf(fault), fault);
    await lab.say(['ctl', 'fence-check']); // what can be proved beforehand is proved
    const known = new Set((await lab.fences()).map((fence) => fence.id));
    const before = new Map((await lab.hosts()).map((host) => [host.name, host.initPid]));
    for (const victim of victims) await strikes[way]?.(victim);
    const outcomeOf = async (victim: string) => {
      const fresh = (await fencedOf(victim)).filter((fence) => !known.has(fence.id));
      if (fresh.some((fence) => fence.recordedAt !== null)) return 'fenced';
      return fresh.some(
        (fence) => fence.steps.some((step) => step.what === 'attempt failed') || fence.outcome === 'failed',
      )
        ? 'failed'
        : 'none';
    };
    await lab.until('every fence has come to an outcome', 60_000, async () =>
      (await Promise.all(victims.map(outcomeOf))).every((outcome) => outcome !== 'none'),
    );
    const seen = Object.fromEntries(
      await Promise.all(faults.map(async (fault) => [fault, await outcomeOf(victimOf(fault))] as const)),
    );
    table.push(`${way.padEnd(8)} ${faults.map((fault) => `${fault}: ${seen[fault] ?? '?'}`).join('  ')}`);
    expect(seen).toEqual(Object.fromEntries(faults.map((fault) => [fault, outcomes[fault]?.[way]])));
    // Nobody else was touched, and what is not called fenced was not switched.
    const now = new Map((await lab.hosts()).map((host) => [host.name, host.initPid]));
    for (const name of ['node1', 'node2', 'node3']) expect(now.get(name)).toBe(before.get(name));
    for (const fault of faults.filter((one) => seen[one] === 'failed' && way !== 'plug'))
      expect({ fault, pid: now.get(victimOf(fault)) }).toEqual({ fault, pid: before.get(victimOf(fault)) });
    for (const fault of faults) await lab.do('bmc', victimOf(fault), 'ok');
    await lab.do('heal');
    // Whose BMC could not switch it on stays off, and so does whose BMC is not believed: a person's turn.
    for (const victim of victims) await lab.do('power', victim, 'on');
    await lab.say(['ctl', 'fence-check']); // who was found lying is asked again
  });
});

describe('levels', () => {
  const account = 'ip: bmc-NODE, username: nodekeeper';
  const password = 'secretFiles: {password: /etc/nodekeeper/bmc.password}';
  afterEach(async () => {
    await lab.do('down');
  });

  it('a real fence_ipmilan as level 1: it fences, and its metadata checks the configuration', async () => {
    const lan = `{name: lan, agent: fence_ipmilan, timeout: 8s, options: {${account}, lanplus: 1, privlvl: operator, cipher: 3}, ${password}}`;
    await up(['--nodes', '3'], [`fencing.devices=[${lan}]`, 'fencing.levels=[[lan], [ipmi]]']);
    expect((await lab.say(['exec', 'node1', '--', 'nodectl', 'config', 'check'])).stdout).toMatch(
      /fenced by: lan, then ipmi/,
    );
    expect((await lab.say(['ctl', 'fence-check'])).code).toBe(0);
    await lab.do('freeze', 'node2', '--process', 'noded');
    await lab.until('node2 was fenced and has come back', 40_000, async () => {
      const [fence] = await fencedOf('node2');
      return fence?.outcome === 'closed' && fence.level === 'lan';
    });
  });

  it('level 1 fails, an agent of our own is level 2; two devices of one level go off together', async () => {
    const lan = `{name: lan, agent: fence_ipmilan, timeout: 4s, options: {${account}, lanplus: 1, password: wrong}}`;
    const own = (name: string) =>
      `{name: ${name}, agent: /opt/nodekeeper/test/support/fence-agent.sh, timeout: 10s, options: {${account}}, ${password}}`;
    await up(
      ['--nodes', '3'],
      [
        `fencing.devices=[${lan}, ${own('left')}, ${own('right')}]`,
        'fencing.levels=[[lan], [left, right], [ipmi]]',
        'fencing.levelDeadline=20s', // three nodes prove each other at once, with a Python each
        'fencing.verifyInterval=1h',
      ],
    );
    expect(await lab.say(['ctl', 'fence-check'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/only by level left\+right; level lan fails: .*fence_ipmilan/) as string,
    });
    await lab.do('freeze', 'node2', '--process', 'noded');
    await lab.until('node2 was fenced by the second level', 60_000, async () => {
      const [fence] = await fencedOf('node2');
      return fence?.outcome === 'closed' && fence.level === 'left+right';
    });
    const [fence] = await fencedOf('node2');
    expect(fence?.steps.map((step) => step.what)).toContain('power reads off');
    for (const secret of lab.passwords())
      for (const [name, text] of lab.logs())
        expect({ name, leaks: text.includes(secret) }).toEqual({ name, leaks: false });
  });

  it('S1c: no BMC answers and the primary is frozen: its watchdog ends it, and only then another takes over', async () => {
    await up(['--nodes', '3'], ['node.watchdog={timeout: 4s}', 'fencing.levelDeadline=6s']);
    expect((await lab.say(['exec', 'node1', '--', 'nodectl', 'config', 'check'])).stdout).toMatch(
      /the bound that this machine publishes/,
    );
    const { holder } = (JSON.parse(await lab.do('ctl', 'status', '--json')) as { primary: { holder: string } }).primary;
    await lab.do('bmc', holder, 'down');
    await lab.say(['ctl', 'fence-check', holder]); // known beforehand: nobody loses time with a level that must fail
    await lab.do('freeze', holder, '--process', 'noded');
    await lab.until('another is primary', 60_000, async () => {
      const { primary } = JSON.parse(await lab.do('ctl', 'status', '--json')) as {
        primary: { holder: string; state: string };
      };
      return primary.state === 'primary' && primary.holder !== holder;
    });
    const story = await lab.do('timeline', '--json');
    const moments = JSON.parse(story) as { wallMs: number; node: string; what: string }[];
    const reset = moments.find((moment) => moment.what.includes('watchdog: not fed'));
    const taken = (await lab.eventsOf('takeover')).at(-1);
    expect(reset?.wallMs).toBeLessThan(taken?.wallMs ?? 0);
    expect((await fencedOf(holder))[0]).toMatchObject({ level: 'watchdog' });
    await lab.healthy();
    // A stop in good order disarms it: the machine goes on without noded.
    const pids = async () => (await lab.hosts()).find((host) => host.name === holder)?.initPid;
    const before = await pids();
    await lab.do('exec', holder, '--', 'pkill', '-TERM', '-f', 'daemon/main.js');
    await pause(8000);
    expect(await pids()).toBe(before);
  });
});

describe('whoever fences may die', () => {
  beforeAll(async () => {
    await up(['--nodes', '4', '--coordinators', '3'], ['bmc.commandTimeout=8s', 'fencing.levelDeadline=30s']);
  }, 120_000);
  afterAll(async () => {
    await lab.do('down');
  });
  const newest = async () => (await fencedOf('node4'))[0]; // newest first

  // The moments between "power read as off" and "recorded" are too short for this: test/simulation/faults.test.ts hits them.
  const ordered = (power: 'off' | 'on') => lab.did('node4', `BMC: power ${power} ordered`);
  type Moment = readonly [string, 'noded' | 'plug', (before: { off: number; on: number }) => Promise<boolean>];
  const moments: readonly Moment[] = [
    ['off is sent', 'noded', ({ off }) => Promise.resolve(ordered('off') > off)],
    ['it is recorded', 'noded', async () => (await newest())?.recordedAt != null],
  ];
  const further: readonly Moment[] = [
    ['the intent is written', 'noded', async () => (await newest())?.outcome === 'intent'],
    ['off is sent', 'plug', ({ off }) => Promise.resolve(ordered('off') > off)],
    ['recovery has begun', 'noded', ({ on }) => Promise.resolve(ordered('on') > on)],
  ];
  it.each([...moments, ...(isLong ? further : [])])(
    'S6: %s, and the fencer dies (%s): another one finishes, with one power cycle',
    async (step, death, reached) => {
      await lab.healthy();
      await lab.do('bmc', 'node4', 'slow=2'); // each step takes two seconds at least
      const known = (await newest())?.id;
      const [offs, ons] = [lab.did('node4', 'power off'), lab.did('node4', 'power on')];
      const before = { off: ordered('off'), on: ordered('on') };
      await lab.do('freeze', 'node4', '--process', 'noded');
      await lab.until(
        'a fence of node4 is under way',
        20_000,
        async () => ![undefined, known].includes((await newest())?.id),
      );
      const fencer = (await newest())?.by ?? '';
      // Each command of a BMC this slow takes some six seconds: read, order, and read twice.
      await lab.until('that step', 45_000, () => reached(before));
      if (death === 'plug') await lab.do('power', fencer, 'off');
      else await lab.do('exec', fencer, '--', 'pkill', '-KILL', '-f', 'daemon/main.js');
      await lab.until('node4 is back', 60_000, async () => (await newest())?.outcome === 'closed');
      const steps = (await newest())?.steps ?? [];
      // After the last order a node that boots quickly closes the record itself, before anybody has to go on.
      if (step === 'the intent is written' || step === 'off is sent')
        expect(steps.some(({ what }) => what === 'resumed')).toBe(true);
      expect({ offs: lab.did('node4', 'power off') - offs, ons: lab.did('node4', 'power on') - ons }).toEqual({
        offs: 1,
        ons: 1,
      });
      await lab.do('bmc', 'node4', 'ok');
    },
  );
});

describe('two coordinators', () => {
  beforeAll(async () => {
    await up(['--nodes', '3', '--coordinators', '2'], []);
  }, 120_000);
  afterAll(async () => {
    await lab.do('down');
  });

  it('S6: two nodes are told at the same moment to fence each other, again and again: exactly one goes down', async () => {
    for (let round = 0; round < (isLong ? 5 : 2); round += 1) {
      await lab.healthy();
      const before = lab.did('node1', 'power off') + lab.did('node2', 'power off');
      const said = await Promise.all(
        [
          ['node1', 'node2'],
          ['node2', 'node1'],
        ].map(([by = '', target = '']) =>
          lab.say(['exec', by, '--', 'nodectl', 'fence', target, '--yes', '--reason', 'a race', '--timeout', '20s']),
        ),
      );
      await lab.healthy();
      expect({
        round,
        downs: lab.did('node1', 'power off') + lab.did('node2', 'power off') - before,
        codes: said.map(({ code }) => code === 0).filter(Boolean).length <= 1,
      }).toEqual({ round, downs: 1, codes: true });
    }
  });
});

describe('a drill', () => {
  afterAll(async () => {
    await lab.do('down');
  });

  it('kills, freezes, cuts off, fences and moves for real, and reports what was proved, with times', async () => {
    await up(['--nodes', '3'], []);
    await lab.healthy();
    await lab.do('ctl', 'fence-check');
    const script = new URL('../../scripts/lab', import.meta.url).pathname;
    const via = `${script} --dir ${lab.dir} exec {node} --`;
    expect((await lab.say(['ctl', 'drill', 'node3', '--yes'])).code).toBe(2); // nobody to run the commands
    expect((await lab.say(['ctl', 'drill', 'node3', '--steps', 'explode'])).stderr).toMatch(
      /there is no step "explode"; known: kill/,
    );
    const report = `${lab.dir}/drill.json`;
    const said = await lab.say(
      ['ctl', 'drill', 'node3', '--yes', '--via', via, '--report', report, '--timeout', '60s'],
      118_000,
    );
    if (said.code !== 0) throw new Error(`the drill: exit code ${said.code}\n${said.stdout}${said.stderr}`);
    expect(said.stdout).toMatch(/kill +proved: it came back by itself; nobody was fenced/);
    expect(said.stdout).toMatch(/freeze +proved: it was fenced by level ipmi, and came back; verdict after [\d.]+ s/);
    const written = JSON.parse(readFileSync(report, 'utf8')) as {
      ok: boolean;
      steps: { step: string; outcome: string }[];
    };
    expect(written.ok).toBe(true);
    expect(written.steps.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'kill proved',
      'freeze proved',
      'cut proved',
      'fence proved',
      'move proved',
    ]);
  });
});
