/**
 * What would become of a node if it fell silent, or what holds its fence back: put together from what stands in the store,
 * by the very decisions of core/. Touches nothing.
 */
import { byRank } from '../../../core/observers.ts';
import { monitors } from '../../../core/observers.ts';
import type { PlannedAttempt, Proof } from '../../../core/fencers.ts';
import { hopelessLevels, plannedAttempts } from '../../../core/fencers.ts';
import type { Refusal } from '../../../core/guards.ts';
import { maxUnhealthyDefault, refusals } from '../../../core/guards.ts';
import { triableLevels } from '../../../core/levels.ts';
import type { Config } from '../../../config/load.ts';
import type { Store } from '../../../environment/store.ts';
import { placeAll } from '../../../core/placement.ts';
import { runningStates } from '../../../core/vm.ts';
import { FenceLedger } from '../../../records/fence.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import type { ClusterView, NodeView } from '../../cluster-view.ts';
import { readVms, surveyNodes } from '../../vms.ts';

export interface OutlookAttempt extends PlannedAttempt {
  /** What was proved of it beforehand, and what that rests on. */
  readonly proof: Proof;
  readonly because: string;
}

export interface Outlook {
  readonly node: string;
  /** Who observes it and could give the verdict. */
  readonly observers: readonly string[];
  /** The guards that would hold a fence back if the verdict fell now. */
  readonly guards: readonly Refusal[];
  /** In the order in which they would be tried. */
  readonly attempts: readonly OutlookAttempt[];
  readonly passedOver: readonly string[];
  /** Whether the levels end with a person. */
  readonly endsWithPerson: boolean;
  readonly afterwards: readonly string[];
}

export async function outlookOf(store: Store, config: Config, view: ClusterView, node: NodeView): Promise<Outlook> {
  const { nodes } = view;
  const present = nodes.filter((other) => other.state === 'run' && other.session && other.name !== node.name);
  const ranked = nodes.map((other) => ({
    name: other.name,
    role: other.role ?? ('worker' as const),
    priority: other.priority,
    present: other.name === node.name || present.includes(other),
  }));
  const candidates = present.filter((other) => other.role === 'coordinator');
  const plan = {
    target: node.name,
    levels: triableLevels(node.levels.map((level) => level.split('+'))),
    candidates,
    proof: ({ by, level }: { by: string; level: string }) => proofOf(nodes, by, node.name, level)?.proof ?? 'unknown',
  };
  return {
    node: node.name,
    observers: monitors(ranked).filter((name) => name !== node.name),
    guards: await guardsNow(store, config, view, node, candidates[0]?.name ?? ''),
    attempts: plannedAttempts(plan).map((attempt) => {
      const proved = proofOf(nodes, attempt.by, node.name, attempt.level);
      return { ...attempt, proof: proved?.proof ?? 'unknown', because: proved?.because ?? 'nothing was proved yet' };
    }),
    passedOver: hopelessLevels(plan),
    endsWithPerson: node.levels.includes('manual'),
    afterwards: [...afterwards(view, node, candidates), ...(await recoveredVms(store, view, node))],
  };
}

function proofOf(nodes: readonly NodeView[], by: string, target: string, level: string) {
  const entry = nodes.find((other) => other.name === by)?.proofs[target];
  return entry?.levels.find((proved) => proved.level === level);
}

/** What only the observer itself knows (its session, its pauses, its quiet period) is taken to be in order. */
async function guardsNow(
  store: Store,
  config: Config,
  { cluster, nodes }: ClusterView,
  node: NodeView,
  observer: string,
): Promise<Refusal[]> {
  const read = await store.read(tree.fencing);
  const ledger = read.ok && read.text !== '' ? parseRecord(FenceLedger, read.text) : null;
  const entries = ledger?.ok === true ? Object.entries(ledger.record.entries) : [];
  const silent = nodes.filter((other) => Object.values(other.views).some(isSilent)).map((other) => other.name);
  return refusals({
    self: observer,
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
    nodesTotal: nodes.length,
    silentNodes: [...new Set([...silent, node.name])],
    maxUnhealthy: config.fencing.maxUnhealthy ?? maxUnhealthyDefault(nodes.length),
    fencesInFlight: entries.filter(([, state]) => state === 'intent').map(([name]) => name),
    maxConcurrentFences: config.fencing.maxConcurrentFences,
    askedByOperator: false,
  });
}

function isSilent(seen: NodeView['views'][string]): boolean {
  return seen.verdict === 'silent' || seen.verdict === 'dead';
}

function afterwards(view: ClusterView, node: NodeView, candidates: readonly NodeView[]): string[] {
  const found: string[] = [];
  if (view.primary.holder === node.name) {
    const next = byRank(candidates.filter((other) => other.ineligible === null))[0];
    found.push(
      next === undefined
        ? 'the primary role would be free, and nobody could take it over'
        : `the primary role would go to ${next.name} (epoch ${view.primary.epoch + 1})`,
    );
  } else found.push('it does not hold the primary role: nothing of that would move');
  const { action } = node;
  if (action !== null)
    found.push(
      action === 'reboot' ? 'it would be powered on again once it is recorded as fenced' : 'it would stay off',
    );
  return found;
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
