/**
 * Where the loops count. Promises (test/compliance/metrics.test.ts): METRICS1 no call waits, blocks or throws; METRICS2 a
 * counter never falls within a life; METRICS3 nothing that the agent decides can read them.
 */
import type { CounterName, HistogramName, LabelsOf } from '../records/metrics.ts';

export interface Metrics {
  count<N extends CounterName>(name: N, labels: LabelsOf<N>): void;
  /** A duration in ms (shown in seconds). */
  took<N extends HistogramName>(name: N, ms: number, labels: LabelsOf<N>): void;
}
