/** Metrics by prom-client, and the text that Prometheus reads. Beside ours: those of the process (memory, event loop). */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Metrics } from '../environment/metrics.ts';
import type { MetricDefinition, MetricSample } from '../records/metrics.ts';
import { metrics } from '../records/metrics.ts';

export interface RealMetrics extends Metrics {
  readonly contentType: string;
  /** The whole text; `samples` is what is true right now. */
  render(samples: readonly MetricSample[]): Promise<string>;
}

const eventLoopEveryMs = 500;

export function realMetrics(): RealMetrics {
  const lasting = new Registry();
  // By default its watch of the event loop wakes the process a hundred times a second (scripts/bench footprint).
  collectDefaultMetrics({ register: lasting, prefix: 'noded_', eventLoopMonitoringPrecision: eventLoopEveryMs });
  // Gauges with the name of a counter: promtool refuses them, and the same numbers stand beside them by type.
  for (const what of ['handles', 'requests', 'resources'])
    lasting.removeSingleMetric(`noded_nodejs_active_${what}_total`);
  const counters = new Map<string, Counter>();
  const histograms = new Map<string, Histogram>();
  for (const [name, { kind, source, ...definition }] of definitions()) {
    const { help, labels, buckets, values } = definition;
    const common = { name, help, labelNames: [...labels], registers: [lasting] };
    if (source === 'event' && kind === 'counter') {
      const counted = new Counter(common);
      for (const value of values ?? []) counted.inc({ [labels[0] ?? '']: value }, 0);
      counters.set(name, counted);
    }
    if (kind === 'histogram') histograms.set(name, new Histogram({ ...common, buckets: [...(buckets ?? [])] }));
  }
  return {
    contentType: lasting.contentType,
    count: (name, labels) => counters.get(name)?.inc(labels),
    took: (name, ms, labels) => histograms.get(name)?.observe(labels, ms / 1000),
    render: async (samples) => `${await lasting.metrics()}\n${await sampled(samples)}`,
  };
}

/** Made anew for each answer: what is not there any more is not shown any more. */
async function sampled(samples: readonly MetricSample[]): Promise<string> {
  const registry = new Registry();
  for (const [name, { kind, source, help, labels }] of definitions()) {
    const own = samples.filter((sample) => sample.name === name);
    if (source !== 'sample' || own.length === 0) continue;
    const common = { name, help, labelNames: [...labels], registers: [registry] };
    if (kind === 'counter') {
      const shown = new Counter(common);
      for (const { labels: values, value } of own) shown.inc(values, value);
    } else {
      const shown = new Gauge(common);
      for (const { labels: values, value } of own) shown.set(values, value);
    }
  }
  return registry.metrics();
}

const definitions = () => Object.entries(metrics) as [string, MetricDefinition][];
