/** What we hand to Prometheus and Grafana, judged by Prometheus' own promtool: our metrics, the alert rules, the dashboard. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { realMetrics } from '../../src/real/metrics.ts';
import type { MetricSample } from '../../src/records/metrics.ts';
import { metrics } from '../../src/records/metrics.ts';

const folder = 'docs/monitoring';
const dir = mkdtempSync(join(tmpdir(), 'nk-monitoring-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function promtool(words: readonly string[], input = ''): { code: number | null; said: string } {
  const done = spawnSync('promtool', words, { input, encoding: 'utf8' });
  if (done.error !== undefined) throw done.error;
  return { code: done.status, said: `${done.stdout}${done.stderr}` };
}

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: Readonly<Record<string, string>>;
}
const rules = (
  parse(readFileSync(join(folder, 'alerts.yaml'), 'utf8')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);
const tests = (
  parse(readFileSync(join(folder, 'alerts.test.yaml'), 'utf8')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  }
).tests.flatMap((test) => test.alert_rule_test);

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(readFileSync(join(folder, 'grafana.json'), 'utf8')) as {
  panels: Panel[];
  annotations: { list: { expr: string }[] };
};
const asked = [
  ...dashboard.panels.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
].map((expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'nodekeeper'));

it('what noded shows is in order for Prometheus', async () => {
  const shown = realMetrics();
  const samples: MetricSample[] = [];
  for (const [name, { source, kind, labels }] of Object.entries(metrics)) {
    const values = Object.fromEntries(labels.map((label) => [label, 'x']));
    if (source === 'sample') samples.push({ name, labels: values, value: 1 });
    else if (kind === 'histogram') shown.took(name as never, 10, values);
    else shown.count(name as never, values);
  }
  const text = await shown.render(samples);
  for (const name of Object.keys(metrics)) expect(text).toContain(`# TYPE ${name} `);
  expect(text).toContain('nodekeeper_events_total{kind="fence-failed"} 0\n');
  expect(promtool(['check', 'metrics'], text)).toEqual({ code: 0, said: '' });
});

it('the alert rules say what they are tested to say, each at least once, and are silent at least once', () => {
  expect(promtool(['check', 'rules', join(folder, 'alerts.yaml')])).toMatchObject({ code: 0 });
  const tested = promtool(['test', 'rules', join(folder, 'alerts.test.yaml')]);
  expect(tested).toEqual({ code: 0, said: expect.stringContaining('SUCCESS') as string });
  for (const { alert } of rules) {
    const own = tests.filter(({ alertname }) => alertname === alert);
    const seen = new Set(own.map((test) => test.exp_alerts.length > 0));
    expect({ alert, seen: [...seen].sort() }).toEqual({ alert, seen: [false, true] });
  }
});

it('promtool would notice: a rule that is turned round fails its test', () => {
  const broken = readFileSync(join(folder, 'alerts.yaml'), 'utf8').replace(
    'nodekeeper_store_connected == 0',
    'nodekeeper_store_connected == 1',
  );
  writeFileSync(join(dir, 'alerts.yaml'), broken);
  writeFileSync(join(dir, 'alerts.test.yaml'), readFileSync(join(folder, 'alerts.test.yaml')));
  expect(promtool(['test', 'rules', join(dir, 'alerts.test.yaml')]).code).not.toBe(0);
});

it('the dashboard asks in PromQL, its panels have a sentence each and do not overlap', () => {
  const file = join(dir, 'asked.yaml');
  const all = asked.map((expr, at) => ({ record: `asked:${at}`, expr }));
  writeFileSync(file, stringify({ groups: [{ name: 'asked', rules: all }] }));
  expect(promtool(['check', 'rules', file])).toMatchObject({ code: 0 });
  for (const { title, type, description } of dashboard.panels)
    expect({ title, said: type === 'row' || (description ?? '').length > 10 }).toEqual({ title, said: true });
  const cells = dashboard.panels.flatMap(({ title, gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, at) => ({ title, cell: `${x + (at % w)},${y + Math.floor(at / w)}` })),
  );
  expect(new Set(cells.map(({ cell }) => cell)).size).toBe(cells.length);
  for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
});

it('rules and dashboard name metrics that exist, with labels that they have', () => {
  for (const expr of [...rules.map((rule) => rule.expr), ...asked])
    for (const [, name = '', selector = ''] of expr.matchAll(/\b(nodekeeper_[a-z_]+)(?:\{([^}]*)\})?/g)) {
      const metric = Object.entries(metrics).find(([known]) => known === name.replace(/_bucket$/, ''));
      expect({ expr, name, known: metric !== undefined }).toEqual({ expr, name, known: true });
      for (const [, label = ''] of selector.matchAll(/(\w+)=~?"/g))
        expect(['job', 'instance', ...(metric?.[1].labels ?? [])]).toContain(label);
    }
});

it('what to do about each alert stands in the failure guide', () => {
  const guide = readFileSync('docs/FAILURES.md', 'utf8');
  for (const { alert } of rules) expect(guide).toContain(`\`${alert}\``);
});
