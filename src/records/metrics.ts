/**
 * Every metric that a noded shows, by Prometheus' conventions (base units, `_total` for counters). Renders docs/metrics.md too.
 * `sample` is read from what noded holds true when somebody asks; the others are counted as things happen.
 */
import * as z from 'zod';
import { guardNames } from '../core/guards.ts';
import { eventKinds } from './history.ts';

export interface MetricDefinition {
  readonly kind: 'gauge' | 'counter' | 'histogram';
  readonly source: 'sample' | 'event';
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in seconds. */
  readonly buckets?: readonly number[];
  /** Values of its one label that are shown with 0 from the start: Prometheus sees no increase in what was not there. */
  readonly values?: readonly string[];
}

const gauge = <L extends string>(help: string, ...labels: L[]) =>
  ({ kind: 'gauge', source: 'sample', help, labels }) as const;
const sampledCounter = <L extends string>(help: string, ...labels: L[]) =>
  ({ kind: 'counter', source: 'sample', help, labels }) as const;
const counter = <L extends string>(help: string, ...labels: L[]) =>
  ({ kind: 'counter', source: 'event', help, labels }) as const;
const counterOver = <L extends string>(help: string, label: L, values: readonly string[]) =>
  ({ ...counter(help, label), values }) as const;
const histogram = <L extends string>(help: string, buckets: readonly number[], ...labels: L[]) =>
  ({ kind: 'histogram', source: 'event', help, buckets, labels }) as const;

const shortSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const longSeconds = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 900];

export const metrics = {
  nodekeeper_info: gauge('Always 1: what runs here.', 'node', 'role', 'version'),
  nodekeeper_daemon_state: gauge('1 for the state in which this noded is.', 'state'),
  nodekeeper_keepalive_age_seconds: gauge('Time since the last acknowledged keepalive was sent.'),
  nodekeeper_keepalive_late_seconds: histogram('By how much a beat came late.', shortSeconds),
  nodekeeper_keepalive_duration_seconds: histogram('From a keepalive to its acknowledgement.', shortSeconds),
  nodekeeper_api_address_refused: gauge(
    '1 while the API address of this node does not count, because it leads another node elsewhere.',
  ),
  nodekeeper_store_connected: gauge('1 while this noded has a live session with ZooKeeper.'),
  nodekeeper_store_servers_refused: gauge(
    'ZooKeeper servers that this noded does not use: they belong to another store.',
  ),
  nodekeeper_store_sessions_total: sampledCounter('Sessions with ZooKeeper; each after the first replaced a lost one.'),
  nodekeeper_store_request_duration_seconds: histogram(
    'Requests to ZooKeeper, by what came of them.',
    shortSeconds,
    'operation',
    'outcome',
  ),
  nodekeeper_subsystem_age_seconds: gauge('Age of the last good value of a subsystem.', 'subsystem'),
  nodekeeper_subsystem_healthy: gauge('1 while a subsystem is well; 0: it is not, or does not answer.', 'subsystem'),
  nodekeeper_peer_throws: gauge('Failed saving throws of a peer, as this node counts them.', 'peer'),
  nodekeeper_peer_silent_seconds: gauge('For how long a peer has been silent for this node.', 'peer'),
  nodekeeper_peer_dead: gauge('1 while this node holds a peer for dead.', 'peer'),
  nodekeeper_guard_refusals_total: counterOver('Fences that a guard held back, by guard.', 'guard', guardNames),
  nodekeeper_fence_attempts_total: counter('Attempts of this node at a level of a fence.', 'level', 'outcome'),
  nodekeeper_fence_duration_seconds: histogram('From the verdict to power read as off.', longSeconds, 'level'),
  nodekeeper_fencing_possible: gauge('1 if this node could fence the other one when it last tried the proof.', 'peer'),
  nodekeeper_fencing_proof_age_seconds: gauge('Age of that proof.', 'peer'),
  nodekeeper_fence_device_distrusted: gauge(
    'Since when (Unix time) a finding against a fence device of a node stands.',
    'peer',
    'device',
    'kind',
  ),
  nodekeeper_primary_state: gauge('1 for the state of this coordinator with respect to the role.', 'state'),
  nodekeeper_primary_epoch: gauge('Epoch of the primary role as this node last read it.'),
  nodekeeper_primary_lease_left_seconds: gauge('What is left of the lease; 0: this node does not hold the role.'),
  nodekeeper_primary_transitions_total: counter('Changes of state of this coordinator.', 'from', 'to'),
  nodekeeper_vms: gauge('VMs whose node this is, by their state.', 'state'),
  nodekeeper_guests: gauge('Guests that libvirt shows here, by power. Absent: libvirt does not answer.', 'power'),
  nodekeeper_watchdog_armed: gauge('1 while the watchdog of this machine is armed.'),
  nodekeeper_events_total: counterOver('Events that this node wrote to the history, by kind.', 'kind', eventKinds),
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof metrics;
type NameOf<Source, Kind> = {
  [N in MetricName]: (typeof metrics)[N] extends { source: Source; kind: Kind } ? N : never;
}[MetricName];
export type CounterName = NameOf<'event', 'counter'>;
export type HistogramName = NameOf<'event', 'histogram'>;
export type SampleName = NameOf<'sample', 'gauge' | 'counter'>;
export type LabelsOf<N extends MetricName> = Readonly<Record<(typeof metrics)[N]['labels'][number], string>>;

/** A value as it is when somebody asks. */
export const MetricSample = z.object({
  name: z.string(),
  labels: z.record(z.string(), z.string()),
  value: z.number(),
});
export type MetricSample = z.output<typeof MetricSample>;
