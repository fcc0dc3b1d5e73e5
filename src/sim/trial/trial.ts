/** One run of one situation in a person's own cluster: the cluster comes up, the trouble comes, and what comes of it is measured. */
import { worstCase } from '../../config/timing.ts';
import type { Checker } from '../checkers/checker.ts';
import { checkers } from '../checkers/all.ts';
import { SeededRandom } from '../random.ts';
import { obey } from '../scenario.ts';
import { vmNames } from '../swarm/plan.ts';
import type { Finding } from '../swarm/run.ts';
import { settle } from '../swarm/run.ts';
import { unsettled } from '../swarm/settled.ts';
import { World } from '../world.ts';
import type { OwnCluster } from './own-cluster.ts';
import { nodesOf, zookeepersOf } from './own-cluster.ts';
import type { Plot, Situation } from './situations.ts';
import { Watch, vmsRun } from './watch.ts';

/** What came of one run. Times are virtual ms from the beginning of the trouble; null: it did not happen. */
export interface Trial {
  readonly situation: string;
  readonly seed: number;
  readonly lastsMs: number | null;
  /** The victim was held for dead, was recorded as off. */
  readonly verdictMs: number | null;
  readonly offMs: number | null;
  /** What the primary runs worked again, and had not before. */
  readonly servedMs: number | null;
  /** Every VM ran again, and one had not before. */
  readonly vmsMs: number | null;
  /** In all, nobody could use what the primary runs for so long. */
  readonly awayMs: number;
  /** Nodes that were ordered off. */
  readonly shot: readonly string[];
  readonly guards: Readonly<Record<string, number>>;
  /** Broken rules; none is as it should be. */
  readonly findings: readonly Finding[];
  readonly nodeHours: number;
}

const bootMs = 5000;
/** A cluster that is not up by then never will be. */
const upWithinMs = 300_000;
/** The verifier has proved everything, and everybody has seen everybody live. */
const calmMs = 30_000;
const stepMs = 50;
const marginMs = 60_000;

export async function runTrial(own: OwnCluster, situation: Situation, seed: number): Promise<Trial> {
  const chance = new SeededRandom(Math.imul(seed, 0x9e3779b1));
  const world = new World({ seed, nodes: nodesOf(own), bootMs, zookeepers: zookeepersOf(own) });
  for (const bmc of world.bmcs.values()) bmc.slowMs = own.bmcSlowMs;
  const broken = watching(world, checkers);
  await comeUp(world);
  const primary = primaryOf(world);
  if (own.config.vms.enabled) await startVms(world, primary);
  await world.run(calmMs + chance.between(0, 2 * own.config.keepalive.interval));
  const cast = { chance, config: own.config, primary, names: [...world.machines.keys()] };
  const plot = situation.plot(cast);
  const watch = new Watch(world);
  const fromMs = world.time.nowMs;
  const done = await play(world, own, { situation, plot, watch, fromMs });
  const findings = broken();
  if (situation.kind === 'random' && findings.length === 0) {
    const untilMs = world.time.nowMs + 20 * own.config.timing.detectionMs;
    findings.push(...(await settle(world, untilMs, broken)).findings);
  }
  return {
    situation: situation.name,
    seed,
    lastsMs: plot.lastsMs,
    verdictMs: watch.sinceMs('verdict', plot.victim),
    offMs: watch.sinceMs('fenced', plot.victim),
    ...done,
    awayMs: watch.awayMs(),
    shot: [...watch.shot],
    guards: watch.guards,
    findings,
    nodeHours: (own.nodes * world.time.nowMs) / 3_600_000,
  };
}

function watching(world: World, rules: readonly Checker[]): () => Finding[] {
  const answers = rules.map(({ rule, watch }) => ({ rule, found: watch(world) }));
  return () => answers.flatMap(({ rule, found }) => found().map((text) => ({ rule, text })));
}

async function comeUp(world: World): Promise<void> {
  world.powerAll();
  do await world.run(1000);
  while (unsettled(world).length > 0 && world.time.nowMs < upWithinMs);
  const problems = unsettled(world);
  if (problems.length > 0) throw new Error(`this cluster does not come up: ${problems.join('; ')}`);
}

function primaryOf(world: World): string {
  const [found] = [...world.agents].find(([, agent]) => agent.board.coordinatorState === 'primary') ?? [];
  if (found === undefined) throw new Error('nobody is primary in this cluster');
  return found;
}

async function startVms(world: World, home: string): Promise<void> {
  for (const name of vmNames) obey(world, `vm ${name} define ${home} 64`);
  await world.run(1000);
  for (const name of vmNames) obey(world, `vm ${name} start`);
  const endMs = world.time.nowMs + upWithinMs;
  while (!vmsRun(world) && world.time.nowMs < endMs) await world.run(1000);
  if (!vmsRun(world)) throw new Error('the VMs of this cluster do not start');
}

interface Playing {
  readonly situation: Situation;
  readonly plot: Plot;
  readonly watch: Watch;
  readonly fromMs: number;
}

/** Carries the plot out and goes on until there is nothing more to be seen. */
async function play(world: World, own: OwnCluster, { situation, plot, watch, fromMs }: Playing) {
  const { config } = own;
  const worstMs = worstCase(config).reduce((sum, { ms }) => sum + ms, 0);
  const longestMs =
    situation.kind === 'failover'
      ? 2 * worstMs + marginMs
      : situation.kind === 'random' || situation.kind === 'story'
        ? (plot.lastsMs ?? 0)
        : (plot.lastsMs ?? 0) + config.timing.detectionMs + marginMs;
  const steps = [...plot.steps];
  let vmsWereAway = false;
  let vmsMs: number | null = null;
  for (;;) {
    for (let next = steps[0]; next !== undefined && fromMs + next.atMs <= world.time.nowMs; next = steps[0]) {
      steps.shift();
      world.trace.line('story', next.command, '');
      obey(world, next.command);
      watch.look();
    }
    const sinceMs = world.time.nowMs - fromMs;
    watch.look();
    if (config.vms.enabled) {
      if (vmsRun(world)) vmsMs ??= vmsWereAway ? sinceMs : null;
      else vmsWereAway = true;
    }
    const isDone = situation.kind === 'failover' && watch.servedAgainMs !== null && (!vmsWereAway || vmsMs !== null);
    if (isDone || sinceMs >= longestMs) return { servedMs: watch.servedAgainMs, vmsMs };
    const untilStepMs = (steps[0]?.atMs ?? Infinity) - sinceMs;
    await world.run(Math.min(stepMs, untilStepMs, longestMs - sinceMs));
  }
}
