/** The promises of environment/resources.ts on both sides of the seam: simulated, and real commands with real processes. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import type { PrimaryResources, Resource, TenureFacts } from '../../src/environment/resources.ts';
import { realResources } from '../../src/real/resources/resources.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimMachine } from '../../src/sim/machine.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import type { ResourceMode } from '../../src/sim/resources.ts';
import { simResources } from '../../src/sim/resources.ts';
import { settleIn } from '../support/virtual.ts';

const facts: TenureFacts = { node: 'node1', epoch: 7, peer: 'node2', reason: 'a test' };
const never = new AbortController().signal;
const stopTimeout = 700;
const startTimeout = 900;
const statusTimeout = 600;

interface ResourcesUnderTest {
  readonly resources: PrimaryResources;
  set(mode: ResourceMode): void;
  settle<T>(work: Promise<T>): Promise<T>;
  nowMs(): number;
}

const dir = mkdtempSync(join(tmpdir(), 'nk-resources-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function configured(primary: object): PrimaryResources {
  const loaded = loadConfig(JSON.stringify({ cluster: { name: 'c' }, zookeeper: { servers: ['a:1'] }, primary }));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return realResources(loaded.config.primary);
}

const sh = (text: string) => ['bash', '-c', `cd ${dir}; mode=$(cat mode 2>/dev/null); ${text}`];

function real(): ResourcesUnderTest {
  const hang = 'trap "" TERM; sleep 60 & wait; sleep 60';
  const app = {
    type: 'command',
    name: 'app',
    start: sh(`[ "$mode" = start-fails ] && exit 1; [ "$mode" = start-hangs ] && { ${hang}; }; touch running`),
    stop: sh(`[ "$mode" = stop-fails ] && exit 1; [ "$mode" = stop-hangs ] && { ${hang}; }; rm -f running`),
    status: sh(
      `[ "$mode" = status-unknown ] && exit 4; [ "$mode" = status-hangs ] && { ${hang}; }; [ -e running ] && exit 0; [ "$mode" = leaves-pid-file ] && exit 1; exit 3`,
    ),
    statusTimeout: `${statusTimeout}ms`,
    startTimeout: `${startTimeout}ms`,
    stopTimeout: `${stopTimeout}ms`,
  };
  return {
    resources: configured({ resources: [app] }),
    set: (mode) => writeFileSync(join(dir, 'mode'), mode),
    settle: (work) => work,
    nowMs: () => performance.now(),
  };
}

function simulated(): ResourcesUnderTest {
  const time = new VirtualTime();
  const machine = new SimMachine({
    name: 'node1',
    time,
    bootMs: 1,
    restartMs: 1,
    start: () => Promise.resolve(),
    onPower: () => undefined,
  });
  machine.powerOn();
  let mode: ResourceMode = 'ok';
  const resources = simResources({
    machine,
    process: new SimProcess(time),
    random: new SeededRandom(4),
    resources: [{ name: 'app', type: 'command', startTimeout, stopTimeout, statusTimeout }],
    modeOf: () => mode,
    onChange: () => undefined,
    onAct: () => undefined,
    onHook: () => undefined,
  });
  return { resources, set: (now) => (mode = now), settle: settleIn(time), nowMs: () => time.nowMs };
}

describe.each([
  ['real', real],
  ['simulated', simulated],
] as const)("a resource's promises: %s", (_side, setUp) => {
  const under = setUp();
  const app = under.resources.list[0] as Resource;
  const { settle } = under;
  beforeEach(() => under.set('ok'));
  const timed = async <T>(work: () => Promise<T>): Promise<{ result: T; tookMs: number }> => {
    const startMs = under.nowMs();
    return { result: await settle(work()), tookMs: under.nowMs() - startMs };
  };

  it('RES2, RES3: start and stop may be repeated, and the status follows', async () => {
    for (const round of [1, 2]) {
      expect({ round, start: (await settle(app.start(facts, never))).ok }).toEqual({ round, start: true });
      expect((await settle(app.status())).status).toBe('running');
    }
    for (const round of [1, 2]) {
      expect({ round, stop: (await settle(app.stop(facts))).ok }).toEqual({ round, stop: true });
      expect((await settle(app.status())).status).toBe('stopped');
    }
  });

  it('a failure is an outcome with a reason', async () => {
    under.set('start-fails');
    expect(await settle(app.start(facts, never))).toMatchObject({
      ok: false,
      because: expect.stringContaining('exit code 1') as string,
    });
    under.set('ok');
    await settle(app.start(facts, never));
    under.set('stop-fails');
    expect((await settle(app.stop(facts))).ok).toBe(false);
    expect((await settle(app.status())).status).toBe('running');
  });

  it('RES6: dead with a pid file left is not stopped; what is not told, or not in time, is unknown', async () => {
    await settle(app.stop(facts));
    under.set('leaves-pid-file');
    expect((await settle(app.status())).status).toBe('dead');
    await settle(app.start(facts, never));
    expect((await settle(app.status())).status).toBe('running');
    under.set('status-unknown');
    expect((await settle(app.status())).status).toBe('unknown');
    under.set('status-hangs');
    const hung = await timed(() => app.status());
    expect(hung.result.status).toBe('unknown');
    expect(hung.tookMs).toBeLessThanOrEqual(statusTimeout + 1000);
  });

  it('RES1, S7: what hangs ends within its timeout plus a second', async () => {
    under.set('start-hangs');
    const start = await timed(() => app.start(facts, never));
    expect(start.result.ok).toBe(false);
    expect(start.tookMs).toBeLessThanOrEqual(startTimeout + 1000);
    under.set('stop-hangs');
    const stop = await timed(() => app.stop(facts));
    expect(stop.result.ok).toBe(false);
    expect(stop.tookMs).toBeLessThanOrEqual(stopTimeout + 1000);
  });

  it('RES4: an aborted start ends at once', async () => {
    under.set('start-hangs');
    const aborting = new AbortController();
    const aborted = await timed(async () => {
      const starting = app.start(facts, aborting.signal);
      aborting.abort();
      return starting;
    });
    expect(aborted.result.ok).toBe(false);
    expect(aborted.tookMs).toBeLessThan(1000);
  });
});

describe('real commands', () => {
  it('RES5: node, epoch, peer, reason, resource and action are in the environment', async () => {
    const out = join(dir, 'env');
    const say = (what: string) => [
      'bash',
      '-c',
      `echo "${what} $NODEKEEPER_NODE $NODEKEEPER_EPOCH $NODEKEEPER_PEER $NODEKEEPER_RESOURCE $NODEKEEPER_ACTION $NODEKEEPER_HOOK: $NODEKEEPER_REASON" >> ${out}`,
    ];
    const { list, runHooks } = configured({
      resources: [{ type: 'command', name: 'app', start: say('start'), stop: say('stop'), status: ['true'] }],
      hooks: {
        takeover: [{ command: say('one') }, { command: say('two') }],
        deposed: [{ command: ['false'] }, { command: say('never') }],
      },
    });
    const [app] = list;
    expect((await runHooks('takeover', facts, null)).ok).toBe(true);
    await app?.start({ ...facts, reason: 'a\nb' }, never);
    await app?.stop({ ...facts, peer: null });
    expect(await runHooks('deposed', facts, null)).toMatchObject({
      ok: false,
      because: expect.stringContaining('false: exit code 1') as string,
    });
    expect(readFileSync(out, 'utf8').trim().split('\n')).toEqual([
      'one node1 7 node2   takeover: a test',
      'two node1 7 node2   takeover: a test',
      'start node1 7 node2 app start : a b',
      'stop node1 7  app stop : a test',
    ]);
  });

  it('megabytes of output, and a child that stays behind with the output open, hold nothing up', async () => {
    const { list } = configured({
      resources: [
        {
          type: 'command',
          name: 'noisy',
          start: ['bash', '-c', 'yes | head -c 5000000; (sleep 7; echo late) & echo ready'],
          stop: ['true'],
          status: ['true'],
        },
      ],
    });
    const startMs = performance.now();
    expect(await list[0]?.start(facts, never)).toMatchObject({ ok: true });
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  it('a program that is missing is named', async () => {
    const { list } = configured({
      resources: [
        { type: 'command', name: 'gone', start: ['/no/such/program'], stop: ['true'], status: ['/no/such/program'] },
      ],
    });
    expect(await list[0]?.start(facts, never)).toMatchObject({
      ok: false,
      because: '/no/such/program is not installed',
    });
    expect((await list[0]?.status())?.status).toBe('unknown');
  });

  it('an address on an interface that does not exist is stopped, and cannot be started', async () => {
    const { list } = configured({
      resources: [{ type: 'address', name: 'vip', address: '192.0.2.9/32', interface: 'nk-no-such0' }],
    });
    const [vip] = list;
    expect((await vip?.status())?.status).toBe('stopped');
    expect(await vip?.start(facts, never)).toMatchObject({
      ok: false,
      because: expect.stringMatching(/Cannot find device/) as string,
    });
    expect((await vip?.stop(facts))?.ok).toBe(true);
    expect(existsSync('/sys/class/net/nk-no-such0')).toBe(false);
  });

  it('a unit that systemd does not know is not called running', async () => {
    const { list } = configured({ resources: [{ type: 'unit', name: 'u', unit: 'nk-no-such.service' }] });
    expect((await list[0]?.status())?.status).not.toBe('running');
    expect((await list[0]?.start(facts, never))?.ok).toBe(false);
  });
});
