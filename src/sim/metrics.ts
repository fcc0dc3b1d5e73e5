/** Counts for tests: what the agent counted, by name and labels. */
import type { Metrics } from '../environment/metrics.ts';

export class SimMetrics implements Metrics {
  readonly counts = new Map<string, number>();
  /** How often each duration was noted. */
  readonly durations = new Map<string, number>();

  count(name: string, labels: Readonly<Record<string, string>>): void {
    add(this.counts, `${name} ${Object.values(labels).join(' ')}`.trim());
  }

  took(name: string, _ms: number, labels: Readonly<Record<string, string>>): void {
    add(this.durations, `${name} ${Object.values(labels).join(' ')}`.trim());
  }
}

function add(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
