/** Runs a plan under every checker, and says what it broke. */
import type { Checker } from '../checkers/checker.ts';
import { checkers } from '../checkers/all.ts';
import { simCluster } from '../cluster.ts';
import { tidy } from '../repair.ts';
import { obey } from '../scenario.ts';
import { World } from '../world.ts';
import type { Scenario } from './plan.ts';
import { unsettled } from './settled.ts';

/** One broken rule: `S7` is a cluster that does not become well again. */
export interface Finding {
  readonly rule: string;
  readonly text: string;
}

export interface Outcome {
  readonly findings: readonly Finding[];
  readonly world: World;
  /** How long after the last step everything was well, in virtual ms; null: it never was. */
  readonly settledAfterMs: number | null;
}

const lookMs = 5000;
/** So long all must stay well. */
const looksWell = 2;

/** The world of a scenario at time 0. */
export function worldOf(scenario: Scenario): World {
  const { cluster, seed, bootMs } = scenario;
  return new World({
    seed,
    nodes: simCluster(cluster),
    bootMs,
    zookeepers: cluster.zookeepers,
    clockRates: cluster.clockRates,
    storeOnCoordinators: cluster.storeOnCoordinators ?? false,
  });
}

/** Runs to the end, or to the first broken safety rule. A story without `repair` is not asked to end well. */
export async function runPlan(plan: Scenario, watching: readonly Checker[] = checkers): Promise<Outcome> {
  const world = worldOf(plan);
  const answers = watching.map(({ rule, watch }) => ({ rule, found: watch(world) }));
  const broken = () => answers.flatMap(({ rule, found }) => found().map((text) => ({ rule, text })));
  world.powerAll();
  for (const { atMs, command } of plan.steps) {
    await world.time.runUntil(atMs);
    if (broken().length > 0) return { findings: broken(), world, settledAfterMs: null };
    world.trace.line('story', command, '');
    obey(world, command);
  }
  if (!plan.steps.some(({ command }) => command === 'repair')) {
    await world.time.runUntil(plan.untilMs);
    return { findings: broken(), world, settledAfterMs: null };
  }
  return settle(world, plan.untilMs, broken);
}

/** After the last fault: runs until everything is well for a while, at most until `untilMs`. */
export async function settle(world: World, untilMs: number, broken: () => Finding[]): Promise<Outcome> {
  const startMs = world.time.nowMs;
  let wellSinceMs: number | null = null;
  let problems: string[] = [];
  while (world.time.nowMs < untilMs) {
    await world.time.runUntil(Math.min(world.time.nowMs + lookMs, untilMs));
    if (broken().length > 0) return { findings: broken(), world, settledAfterMs: null };
    tidy(world, world.time.nowMs - startMs);
    problems = unsettled(world);
    if (problems.length > 0) wellSinceMs = null;
    else wellSinceMs ??= world.time.nowMs;
    if (wellSinceMs !== null && world.time.nowMs - wellSinceMs >= looksWell * lookMs)
      return { findings: [], world, settledAfterMs: wellSinceMs - startMs };
  }
  return { findings: problems.map((text) => ({ rule: 'S7', text })), world, settledAfterMs: null };
}
