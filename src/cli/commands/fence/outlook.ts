/**
 * What would become of a node if it fell silent, or what holds its fence back: put together from what stands in the store,
 * by the very decisions of core/. Touches nothing.
 */
import { byRank } from '../../../core/observers.ts';
import { monitors, verifiedBy } from '../../../core/observers.ts';
import type { DeviceStanding } from '../../../core/device-trust.ts';
import { levelStanding, sharedWith, standingOf } from '../../../core/device-trust.ts';
import type { LateLevel, PlanFacts, PlannedAttempt, Proof } from '../../../core/fencers.ts';
import { barredLevels, lateLevels, plannedAttempts, proofOf } from '../../../core/fencers.ts';
import { afterFenced } from '../../../core/fencing.ts';
import type { Refusal } from '../../../core/guards.ts';
import { maxUnhealthyDefault, refusals, silentForAny } from '../../../core/guards.ts';
import { levelsFor } from '../../../core/levels.ts';
import type { Config } from '../../../config/load.ts';
import type { Store } from '../../../environment/store.ts';
import { placeAll } from '../../../core/placement.ts';
import { runningStates } from '../../../core/vm.ts';
import { FenceLedger, hourMs, recentFences } from '../../../records/fence.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import type { ClusterView, NodeView } from '../../cluster-view.ts';
import { isInDeclaredMaintenance } from '../../../view/cluster-view.ts';
import { readVms, surveyNodes } from '../../vms.ts';
import type { Attempted } from './attempted.ts';
import { attemptedOf, outranks } from './attempted.ts';

export interface OutlookAttempt extends PlannedAttempt {
  /** What was proved of it beforehand, and what that rests on. */
  readonly proof: Proof;
  readonly because: string;
  /** When it was verified, by the clock of its coordinator; null: it was not. */
  readonly verifiedWallMs: number | null;
  /** What became of it in the node's last fence; null: it was not tried, or it worked. */
  readonly attempted: Attempted | null;
  /** Why its device is distrusted; null: it is not. */
  readonly distrusted: string | null;
}

/** It was verified to fail, or it has failed since it was verified. */
export function wouldFail({ proof, attempted, verifiedWallMs }: OutlookAttempt): boolean {
  return proof === 'failed' || outranks(attempted, verifiedWallMs);
}

export interface Outlook {
  readonly node: string;
  /** Who observes it and could give the verdict. */
  readonly observers: readonly string[];
  /** The guards that would hold a fence back if the verdict fell now. */
  readonly guards: readonly Refusal[];
  /** In the order in which they would be tried. */
  readonly attempts: readonly OutlookAttempt[];
  /** Levels that come last, each with what is known against it. */
  readonly late: readonly LateLevel[];
  /** Levels that are not used at all, each with the reason. */
  readonly barred: readonly { readonly level: string; readonly because: string }[];
  /** Whether the levels end with a person. */
  readonly endsWithPerson: boolean;
  readonly afterwards: readonly string[];
}

/** The plan of a fence, as the coordinators make it from the same records. */
export function planOf({ nodes }: ClusterView, node: NodeView, deviceIsRight = false): PlanFacts {
  const candidates = presentOf(nodes, node).filter((other) => other.role === 'coordinator');
  const verified = new Map(
    candidates.flatMap(({ name, proofs }) => {
      const entry = proofs[node.name];
      return entry === undefined ? [] : [[name, entry.levels] as const];
    }),
  );
  return {
    target: node.name,
    levels: levelsFor(
      node.action ?? 'reboot',
      node.levels.map((level) => level.split('+')),
    ),
    candidates,
    proof: (attempt) => proofOf(attempt, verified),
    standing: (level: string) => levelStanding(standingsOf(nodes, node, level, deviceIsRight)),
  };
}

function presentOf(nodes: readonly NodeView[], node: NodeView): NodeView[] {
  return nodes.filter((other) => other.state === 'run' && other.session && other.name !== node.name);
}

export async function outlookOf(store: Store, config: Config, view: ClusterView, node: NodeView): Promise<Outlook> {
  const { nodes } = view;
  const present = presentOf(nodes, node);
  const ranked = nodes.map((other) => ({
    name: other.name,
    role: other.role ?? ('worker' as const),
    priority: other.priority,
    present: other.name === node.name || present.includes(other),
  }));
  const candidates = present.filter((other) => other.role === 'coordinator');
  const plan = planOf(view, node);
  const verifiers = candidates.map(({ name }) => name).filter((name) => verifiedBy(name, ranked).has(node.name));
  const observers = monitors(ranked).filter((name) => name !== node.name);
  const planned = plannedAttempts(plan);
  return {
    node: node.name,
    observers,
    guards: await guardsNow(store, config, view, node, observers),
    attempts: planned.map((attempt) => {
      const entry = candidates.find(({ name }) => name === attempt.by)?.proofs[node.name];
      const because = entry?.levels.find(({ level }) => level === attempt.level)?.because;
      const { use, because: against } = plan.standing(attempt.level);
      return {
        ...attempt,
        proof: plan.proof(attempt),
        because: because ?? notVerified(attempt.by, verifiers),
        verifiedWallMs: because === undefined ? null : (entry?.wallMs ?? null),
        attempted: attemptedOf(node.fence, attempt),
        distrusted: use === 'last' ? against : null,
      };
    }),
    late: lateLevels(plan),
    barred: barredLevels(plan),
    endsWithPerson: node.levels.includes('manual'),
    afterwards: [
      roleAfterwards(view, node, candidates),
      ...powerAfterwards(config, view, node, planned[0]?.level ?? 'manual'),
      ...(await recoveredVms(store, view, node)),
    ],
  };
}

/** What may be done with the devices of a level, by the very decision of the fence. */
function standingsOf(
  nodes: readonly NodeView[],
  node: NodeView,
  level: string,
  deviceIsRight: boolean,
): DeviceStanding[] {
  return node.devices
    .filter(({ name }) => level.split('+').includes(name))
    .map(({ name, where }) => {
      const place = { device: name, where };
      const knowledge = node.knowledge;
      return standingOf({ place, knowledge, sharedWith: sharedWith(nodes, node.name, place), deviceIsRight });
    });
}

function notVerified(by: string, verifiers: readonly string[]): string {
  return verifiers.includes(by) ? 'its verification has not run yet' : `${verifiers.join(', ')} verify it`;
}

/** What only the observer itself knows (its session, its pauses, its quiet period) is taken to be in order. */
async function guardsNow(
  store: Store,
  config: Config,
  { cluster, nodes }: ClusterView,
  node: NodeView,
  observers: readonly string[],
): Promise<Refusal[]> {
  const read = await store.read(tree.fencing);
  const ledger = read.ok && read.text !== '' ? parseRecord(FenceLedger, read.text) : null;
  const entries = ledger?.ok === true ? Object.entries(ledger.record.entries) : [];
  // Each observer asks its own views, and a node that never registered is no node to it.
  const registered = nodes.filter(({ role }) => role !== null);
  const seenBy = (by: string) =>
    registered.flatMap(({ name, views }) => (views[by] === undefined ? [] : [[name, views[by]] as const]));
  return refusals({
    self: observers[0] ?? '',
    target: node.name,
    fencingEnabled: config.fencing.enabled,
    sessionLive: true,
    contactAgeMs: 0,
    contactMaxMs: config.timing.contactMaxMs,
    lateMs: 0,
    intervalMs: config.keepalive.interval,
    quietLeftMs: 0,
    steppedDown: false,
    targetState: node.daemonState ?? 'unknown',
    clusterMaintenance: cluster.maintenance,
    targetMaintenance: node.maintenance,
    nodesTotal: registered.length,
    silentNodes: silentForAny(
      node.name,
      observers.map((name) => ({ name, views: new Map(seenBy(name)) })),
      config.detection.savingThrows,
      new Set(nodes.filter(isInDeclaredMaintenance).map(({ name }) => name)),
    ),
    maxUnhealthy: config.fencing.maxUnhealthy ?? maxUnhealthyDefault(registered.length),
    fencesInFlight: entries.filter(([, state]) => state === 'intent').map(([name]) => name),
    maxConcurrentFences: config.fencing.maxConcurrentFences,
    askedByOperator: false,
  });
}

function roleAfterwards(view: ClusterView, node: NodeView, candidates: readonly NodeView[]): string {
  if (view.primary.holder !== node.name) return 'it does not hold the primary role: nothing of that would move';
  const next = byRank(candidates.filter((other) => other.ineligible === null))[0];
  return next === undefined
    ? 'the primary role would be free, and nobody could take it over'
    : `the primary role would go to ${next.name} (epoch ${view.primary.epoch + 1})`;
}

/** Whether it would be powered on again, by the very decision of the fence; `level`: the one that is tried first. */
function powerAfterwards(
  config: Config,
  { cluster }: ClusterView,
  { action, fence, maintenance }: NodeView,
  level: string,
): string[] {
  if (action === null) return [];
  const keptOff =
    maintenance !== null
      ? `the node is in maintenance (${maintenance})`
      : cluster.maintenance === null
        ? null
        : `the cluster is in maintenance (${cluster.maintenance})`;
  const nowMs = Date.now();
  const { event, because } = afterFenced({
    ...{ action, level, keptOff },
    // The coordinators count by what they have seen themselves; nodectl has only the wall times in the record.
    fencesInLastHour: fence === null ? 1 : recentFences(fence, nowMs, (at) => Math.abs(nowMs - at) >= hourMs).length,
    maxFencesPerHour: config.fencing.maxFencesPerHour,
  });
  return [
    event === 'orderPowerOn'
      ? 'it would be powered on again once it is recorded as fenced'
      : `it would not be powered on: ${because}`,
  ];
}

/** What would become of its VMs, by the plan of recovery itself. */
async function recoveredVms(store: Store, view: ClusterView, node: NodeView): Promise<string[]> {
  const { vms } = await readVms(store);
  const wanted = vms
    .map(({ record }) => record)
    .filter((vm) => vm.node === node.name && runningStates.includes(vm.state));
  if (wanted.length === 0) return [];
  const plan = placeAll(wanted, await surveyNodes(store, view, vms), node.name);
  return wanted.map(({ name, move }) => {
    if (move?.phase === 'moving')
      return `the VM ${name} would go on to ${move.target ?? '?'}, which looks first whether it runs there`;
    const placed = plan.get(name);
    return placed?.node == null
      ? `the VM ${name} would stay stopped until ${node.name} is back: ${placed?.because ?? ''}`
      : `the VM ${name} would start on ${placed.node}`;
  });
}
