/** The promises of environment/metrics.ts, and what Prometheus reads. */
import type { Metrics } from '../../src/environment/metrics.ts';
import { realMetrics } from '../../src/real/metrics.ts';
import { metrics as known } from '../../src/records/metrics.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { SimMetrics } from '../../src/sim/metrics.ts';
import { World } from '../../src/sim/world.ts';

describe.each<readonly [string, () => Metrics]>([
  ['prom-client', () => realMetrics()],
  ['simulated', () => new SimMetrics()],
])('the promises of metrics: %s', (_side, make) => {
  it('METRICS1: no call waits or throws, whatever it is given', () => {
    const under = make();
    for (let at = 0; at < 1000; at += 1) {
      under.count('nodekeeper_events_total', { kind: `kind "${at % 7}"\n` });
      under.took('nodekeeper_keepalive_duration_seconds', at % 2 === 0 ? -at : Number.MAX_SAFE_INTEGER, {});
    }
  });
});

it('METRICS2: what was counted is shown, with its labels; what is sampled is shown as it is now, and no longer', async () => {
  const under = realMetrics();
  under.count('nodekeeper_fence_attempts_total', { level: 'ipmi', outcome: 'off' });
  under.count('nodekeeper_fence_attempts_total', { level: 'ipmi', outcome: 'off' });
  under.took('nodekeeper_fence_duration_seconds', 1750, { level: 'ipmi' });
  const first = await under.render([{ name: 'nodekeeper_peer_throws', labels: { peer: 'node2' }, value: 3 }]);
  expect(first).toMatch(/nodekeeper_fence_attempts_total\{level="ipmi",outcome="off"\} 2/);
  expect(first).toMatch(/nodekeeper_fence_duration_seconds_bucket\{le="2",level="ipmi"\} 1/);
  expect(first).toMatch(/nodekeeper_peer_throws\{peer="node2"\} 3/);
  expect(await under.render([])).not.toMatch(/nodekeeper_peer_throws\{/);
});

it('every metric has a sentence, base units, and a name by the conventions', () => {
  for (const [name, { kind, help }] of Object.entries(known)) {
    expect({ name, fits: /^nodekeeper_[a-z_]+$/.test(name) }).toEqual({ name, fits: true });
    expect({ name, total: name.endsWith('_total') }).toEqual({ name, total: kind === 'counter' });
    expect({ name, said: help.length > 10 && help.endsWith('.') }).toEqual({ name, said: true });
    if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
  }
});

it('METRICS3: the agents count what happens: beats, the transitions of the role, a fence by its level', async () => {
  const world = new World({ seed: 3, nodes: simCluster({ nodes: 3, set: { 'keepalive.interval': '1s' } }) });
  world.powerAll();
  await world.run(30_000);
  const before = [...world.metrics].map(([name, metrics]) => [
    name,
    metrics.durations.get('nodekeeper_keepalive_duration_seconds') ?? 0,
  ]);
  for (const [, beats] of before) expect(beats).toBeGreaterThan(10);
  const transitions = [...world.metrics.values()].flatMap(({ counts }) => [...counts.keys()]);
  expect(transitions).toContain('nodekeeper_primary_transitions_total takeover primary');
  world.machine('node3').powerOff();
  await world.run(60_000);
  const counts = [...world.metrics.values()].flatMap((metrics) => [...metrics.counts]);
  expect(
    counts.filter(([key]) => key === 'nodekeeper_fence_attempts_total ipmi off').map(([, count]) => count),
  ).toEqual([1]);
});
