/** Trials of a person's own cluster (nodectl simulate): what is measured is what must be, by the rules and by the sums. */
import { loadConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/load.ts';
import { worstCase } from '../../src/config/timing.ts';
import { ownSituation, situations } from '../../src/sim/trial/situations.ts';
import type { Trial } from '../../src/sim/trial/trial.ts';
import { runTrial } from '../../src/sim/trial/trial.ts';

function configOf(more: object = {}): Config {
  const tree = {
    cluster: { name: 'own' },
    zookeeper: { servers: ['a:2181', 'b:2181', 'c:2181'] },
    bmc: { address: 'x', username: 'u', passwordFile: '/none' },
    primary: { resources: [{ type: 'address', name: 'vip', address: '192.0.2.1/24', interface: 'eth0' }] },
    ...more,
  };
  const loaded = loadConfig(JSON.stringify(tree));
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  return loaded.config;
}

const config = configOf();
const { interval } = config.keepalive;
const { detectionMs, leaseMs } = config.timing;
const worstMs = worstCase(config).reduce((sum, { ms }) => sum + ms, 0);

async function trials(name: string, count: number, own = config, nodes = 3): Promise<Trial[]> {
  const situation = situations.find((one) => one.name === name);
  if (situation === undefined) throw new Error(name);
  const found: Trial[] = [];
  for (let seed = 1; seed <= count; seed += 1)
    found.push(await runTrial({ config: own, nodes, coordinators: nodes, bmcSlowMs: 0 }, situation, seed));
  for (const { findings } of found) expect(findings).toEqual([]);
  return found;
}

it.each(['freeze', 'network'])(
  '%s: dead after the saving throws, off, and served within the worst case',
  async (name) => {
    for (const { verdictMs, offMs, servedMs, shot } of await trials(name, 20)) {
      // The last keepalive was at most one beat old when it began, and two samples may pass before it is missed.
      expect(verdictMs).toBeGreaterThan(detectionMs - interval - 100);
      expect(verdictMs).toBeLessThan(detectionMs + 2 * interval);
      expect(offMs).toBeGreaterThan(verdictMs ?? Infinity);
      expect(servedMs).toBeGreaterThanOrEqual(offMs ?? Infinity);
      expect(servedMs).toBeLessThan(worstMs);
      expect(shot).toHaveLength(1);
    }
  },
);

it('power: the BMC tells it long before the throws are through', async () => {
  for (const { verdictMs, servedMs } of await trials('power', 20)) {
    expect(verdictMs).toBeLessThan(detectionMs / 2);
    expect(servedMs).toBeGreaterThan(verdictMs ?? Infinity);
  }
});

it('plug: without a second level nothing is taken over, by nobody (S4)', async () => {
  for (const { verdictMs, offMs, servedMs } of await trials('plug', 3)) {
    expect(verdictMs).not.toBeNull();
    expect([offMs, servedMs]).toEqual([null, null]);
  }
});

it('plug: a watchdog that covers what the primary runs is certainty enough', async () => {
  const own = configOf({ node: { watchdog: { timeout: '10s' } } });
  for (const { offMs, servedMs } of await trials('plug', 3, own)) {
    expect(offMs).toBeGreaterThan(own.timing.watchdogBoundMs ?? Infinity);
    expect(servedMs).not.toBeNull();
  }
});

it('crash and order: nobody is fenced; a crash costs about a lease, an order a moment', async () => {
  for (const { servedMs, shot } of await trials('crash', 10)) {
    expect(shot).toEqual([]);
    expect(servedMs).toBeGreaterThan(leaseMs / 2);
    expect(servedMs).toBeLessThan(leaseMs + 5000);
  }
  for (const { servedMs, awayMs, shot } of await trials('order', 10)) {
    expect(shot).toEqual([]);
    expect(servedMs).toBeGreaterThan(0);
    expect(awayMs).toBeLessThan(200);
  }
});

it.each(['pause', 'cut'])('%s: a short silence never ends in a fence, a long one does (S3)', async (name) => {
  const found = await trials(name, 40);
  for (const { lastsMs, shot } of found)
    if ((lastsMs ?? 0) < detectionMs - 2 * interval) expect(shot).toEqual([]);
    else if ((lastsMs ?? 0) > detectionMs + 2 * interval) expect(shot).toHaveLength(1);
  expect(found.filter(({ shot }) => shot.length > 0).length).toBeGreaterThan(5);
  expect(found.filter(({ shot }) => shot.length === 0).length).toBeGreaterThan(5);
});

it.each(['store', 'leader', 'half'])('%s: nobody is fenced, however long it lasts', async (name) => {
  const found = await trials(name, 15);
  expect(found.flatMap(({ shot }) => shot)).toEqual([]);
  expect(Math.max(...found.map(({ lastsMs }) => lastsMs ?? 0))).toBeGreaterThan(name === 'leader' ? 5000 : detectionMs);
  if (name === 'half') expect(found.some(({ guards }) => (guards['storm'] ?? 0) > 0)).toBe(true);
});

it('random: whatever happens, all is well in the end; VMs too', async () => {
  await trials('random', 15);
  const own = configOf({ vms: { enabled: true } });
  const [power] = await trials('power', 1, own);
  expect(power?.vmsMs).toBeGreaterThan(power?.offMs ?? Infinity);
  await trials('random', 5, own);
});

it('an own story runs to its end, and the same seed gives the same outcome', async () => {
  const story = ownSituation('story', [{ atMs: 1000, command: 'cut PRIMARY --store' }], 20_000);
  const own = { config, nodes: 3, coordinators: 3, bmcSlowMs: 0 };
  const once = await runTrial(own, story, 7);
  expect(once).toMatchObject({ lastsMs: 20_000, shot: [], findings: [] });
  expect(once.awayMs).toBeGreaterThan(1000);
  expect(await runTrial(own, story, 7)).toEqual(once);
  await expect(runTrial(own, ownSituation('story', [{ atMs: 0, command: 'power node9 off' }], 1), 1)).rejects.toThrow(
    /no machine "node9"/,
  );
});

it('slow BMCs make it later, never different', async () => {
  const freeze = situations.find(({ name }) => name === 'freeze');
  if (freeze === undefined) throw new Error('freeze');
  const own = { config, nodes: 3, coordinators: 3 };
  const quick = await runTrial({ ...own, bmcSlowMs: 0 }, freeze, 3);
  const slow = await runTrial({ ...own, bmcSlowMs: 2000 }, freeze, 3);
  expect((slow.servedMs ?? 0) - (quick.servedMs ?? 0)).toBeGreaterThan(1500);
});
