/**
 * nodectl drill: proves on a real cluster, before it goes live, what no check can: that a killed noded costs nothing, that a
 * hung and a cut-off one are fenced and come back, that a fence works and the role moves. Asks before each step; writes what
 * was seen, with times. What has to be done on the victim itself is run by `--via`, or by the person who is asked to.
 */
import { writeFileSync } from 'node:fs';
import { run as runProgram } from '../../../real/process/runner.ts';
import type { FenceRequest } from '../../../records/request.ts';
import type { NodeView } from '../../cluster-view.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Arguments, Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { ask, confirmName } from '../../confirm.ts';
import type { Connected } from '../../connect.ts';
import { pause, requester, withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { durationOption } from '../../seconds.ts';
import { askForTransfer, followTransfer } from '../../transfer.ts';
import { readFenceHistory } from '../fence/past-fences.ts';
import { askAndFollow } from '../fence/request.ts';
import { findNode } from '../node.ts';
import type { DrillStep } from './steps.ts';
import { drillSteps } from './steps.ts';

const viaMs = 20_000;
/** How long the store may be away in the middle of a step. */
const storeMs = 60_000;
/** How long a node that has just come back may take until it may be primary. */
const fitMs = 30_000;

interface Done {
  readonly step: string;
  readonly outcome: 'proved' | 'failed' | 'left out';
  readonly because: string;
  /** Milliseconds from the blow on. */
  readonly times: Readonly<Record<string, number>>;
}

export const drill: Command = {
  usage: 'drill <node>',
  describe:
    'Try for real, step by step, what the cluster promises: kill, freeze and cut off a node, fence it, move the role. Asks before each step. The node goes down several times!',
  positionals: { node: { type: 'string', describe: 'the victim; nothing that matters may run on it' } },
  options: {
    steps: {
      type: 'string',
      default: drillSteps.map((step) => step.name).join(','),
      describe: 'which steps, in order',
    },
    via: {
      type: 'string',
      describe: "runs a command on the victim, e.g. 'ssh root@{node}'; without it you are asked to run it yourself",
    },
    report: { type: 'string', describe: 'write the report as JSON to this file' },
    timeout: { type: 'string', default: '300s', describe: 'how long each step may take' },
    yes: { type: 'boolean', default: false, describe: 'do not ask (needs --via)' },
    ...jsonOption,
  },
  examples: [["nodectl drill node3 --via 'ssh root@{node}'", 'the whole drill on node3, asking before each step']],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const withinMs = durationOption(args, 'timeout');
      const steps = chosen(text(args, 'steps') ?? '');
      if (flag(args, 'yes') && text(args, 'via') === undefined && steps.some((step) => step.onVictim !== null))
        throw new CommandError(
          exitCodes.usage,
          '--yes needs --via: nobody would be there to run the commands on the victim',
        );
      const { name } = findNode((await readCluster(connected.store, connected.config)).nodes, text(args, 'node') ?? '');
      const told = flag(args, 'json') ? null : output;
      await preflight(connected, name);
      await confirmName(args, name, `The drill will take ${name} down several times.`);
      const done: Done[] = [];
      for (const step of steps) {
        if (!(await agreed(args, step, name))) {
          done.push({ step: step.name, outcome: 'left out', because: 'not wanted', times: {} });
          continue;
        }
        done.push(await carryOut(connected, step, name, args, withinMs, told));
        printDone(done.at(-1), told);
        if (done.at(-1)?.outcome === 'failed') break;
      }
      const ok = done.every((one) => one.outcome !== 'failed') && done.some((one) => one.outcome === 'proved');
      const report = { node: name, at: new Date().toISOString(), by: requester(), ok, steps: done };
      const file = text(args, 'report');
      if (file !== undefined) writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
      if (told === null) output.json(report);
      else
        told.line(
          ok
            ? told.paint('green', 'the drill has proved what was asked of it')
            : told.paint('red', 'the drill has failed: see above'),
        );
      return ok ? exitCodes.done : exitCodes.failed;
    }),
};

function chosen(list: string): DrillStep[] {
  return list.split(',').map((name) => {
    const step = drillSteps.find((one) => one.name === name.trim());
    if (step !== undefined) return step;
    const known = drillSteps.map((one) => one.name).join(', ');
    throw new CommandError(exitCodes.usage, `--steps: there is no step "${name}"; known: ${known}`);
  });
}

/** A drill begins only where all is well: else it would prove nothing, or hurt. */
async function preflight({ store, config }: Connected, name: string): Promise<void> {
  const { nodes, cluster } = await readCluster(store, config);
  const ill = nodes
    .filter((node) => node.state !== 'run' && node.state !== 'stop')
    .map((node) => `${node.name} is ${node.state}`);
  if (cluster.maintenance !== null) ill.push(`the cluster is in maintenance: ${cluster.maintenance}`);
  const victim = nodes.find((node) => node.name === name);
  if (victim?.state !== 'run') ill.push(`${name} does not run`);
  if (victim?.maintenance != null) ill.push(`${name} is in maintenance: ${victim.maintenance}`);
  if (victim?.fenceability !== 'ok') ill.push(`${name} cannot be fenced by enough others: nodectl fence-check ${name}`);
  if (ill.length > 0) throw new CommandError(exitCodes.refused, `the drill does not begin: ${ill.join('; ')}`);
}

async function agreed(args: Arguments, step: DrillStep, name: string): Promise<boolean> {
  if (flag(args, 'yes')) return true;
  return /^y(es)?$/i.test(await ask(`\n${step.name}: ${step.describe(name)}. Go on? [y/N] `));
}

async function carryOut(
  connected: Connected,
  step: DrillStep,
  name: string,
  args: Arguments,
  withinMs: number,
  told: Output | null,
): Promise<Done> {
  const { store, config } = connected;
  const before = await steadily(() => nodeNow(connected, name));
  const fences = new Set((await steadily(() => readFenceHistory(store, name))).map((fence) => fence.id));
  const startMs = Date.now();
  try {
    if (step.onVictim !== null) await strike(step.onVictim(config, nodedPid(before)), name, args);
    else if (step.name === 'fence') {
      const request: FenceRequest = {
        schema: 1,
        kind: 'fence',
        node: name,
        action: 'reboot',
        by: requester(),
        reason: 'drill',
        deviceIsRight: false,
        refusal: null,
      };
      await askAndFollow(connected, request, withinMs, false, quiet(told));
    } else return await moveThereAndBack(connected, name, withinMs);
    return await watch(connected, step, name, { incarnation: before.incarnation, fences, startMs, withinMs });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { step: step.name, outcome: 'failed', because: error.message, times: {} };
  }
}

/** Never a guess: a kill without a pid of noded's would hit the shell that runs it, or all that it started. */
function nodedPid({ name, pid }: NodeView): number {
  if (pid !== null && pid > 1) return pid;
  throw new CommandError(exitCodes.failed, `the process id of noded on ${name} is not known: nothing was done to it`);
}

async function strike(command: string, name: string, args: Arguments): Promise<void> {
  const via = text(args, 'via');
  if (via === undefined) {
    await ask(`run this on ${name}, then press Enter:\n    ${command}\n`);
    return;
  }
  const words = via
    .replaceAll('{node}', name)
    .split(' ')
    .filter((word) => word !== '');
  const [program = '', ...rest] = words;
  const done = await runProgram(
    program,
    [...rest, 'sh', '-c', via.startsWith('ssh') ? `'${command.replaceAll("'", `'\\''`)}'` : command],
    { deadlineMs: viaMs },
  );
  if (done.kind === 'missing' || done.kind === 'failed')
    throw new CommandError(exitCodes.failed, `${words.join(' ')}: ${done.because}`);
  // A victim that dies takes the connection with it: what came of it is seen in the store.
  if (done.kind === 'exited' && done.code !== 0 && done.code < 128 && done.code !== 255)
    throw new CommandError(
      exitCodes.failed,
      `${words.join(' ')}: exit code ${done.code}: ${done.stderr.slice(0, 200)}`,
    );
}

interface Watching {
  readonly incarnation: string | null;
  readonly fences: ReadonlySet<string>;
  readonly startMs: number;
  readonly withinMs: number;
}

/** Until the victim runs again as a new incarnation. */
async function watch(connected: Connected, step: DrillStep, name: string, since: Watching): Promise<Done> {
  const { startMs, withinMs } = since;
  for (;;) {
    const now = await steadily(() => nodeNow(connected, name));
    const isBack = now.state === 'run' && now.incarnation !== since.incarnation && now.throws === 0;
    if (isBack || Date.now() - startMs > withinMs) {
      const past = await steadily(() => readFenceHistory(connected.store, name));
      const fence = past.find((one) => !since.fences.has(one.id));
      const after = (at: number | null | undefined) => (at == null ? [] : [at - startMs]);
      const times = {
        ...Object.fromEntries(after(fence?.verdictAt).map((ms) => ['verdict', ms])),
        ...Object.fromEntries(after(fence?.confirmedAt).map((ms) => ['power read as off', ms])),
        ...(isBack ? { 'back in the cluster': Date.now() - startMs } : {}),
      };
      const judged = judge(step, isBack, fence === undefined ? null : (fence.level ?? null), fence !== undefined);
      return { step: step.name, ...judged, times };
    }
    await pause(200);
  }
}

/** The victim may carry the ZooKeeper server that this command hangs on: its loss is no end of the drill. */
async function steadily<T>(read: () => Promise<T>): Promise<T> {
  const endMs = Date.now() + storeMs;
  for (;;) {
    try {
      return await read();
    } catch (error) {
      const isAway = error instanceof CommandError && error.code === exitCodes.unreachable;
      if (!isAway || Date.now() > endMs) throw error;
      await pause(500);
    }
  }
}

function judge(
  step: DrillStep,
  isBack: boolean,
  level: string | null,
  wasFenced: boolean,
): Pick<Done, 'outcome' | 'because'> {
  const failed = (because: string) => ({ outcome: 'failed', because }) as const;
  if (!isBack) return failed('it did not come back in time');
  if (step.expects === 'restarted-without-a-fence')
    return wasFenced
      ? failed('it was fenced: its restart took longer than the saving throws')
      : { outcome: 'proved', because: 'it came back by itself; nobody was fenced' };
  if (!wasFenced) return failed('it came back without having been fenced');
  if (level === null) return failed('it came back, but its fence was never confirmed');
  return { outcome: 'proved', because: `it was fenced by level ${level}, and came back` };
}

async function moveThereAndBack(connected: Connected, name: string, withinMs: number): Promise<Done> {
  const { store, config } = connected;
  const { primary } = await steadily(() => readCluster(store, config));
  if (primary.holder === null) throw new CommandError(exitCodes.failed, `nobody is primary: ${primary.because}`);
  const there = primary.holder === name ? null : name;
  const first = await moveRole(connected, there, withinMs);
  const back = await moveRole(connected, primary.holder, withinMs);
  const times = { 'moved there': first.tookMs, 'moved back': back.tookMs };
  return { step: 'move', outcome: 'proved', because: `the role went to ${first.to} and back to ${back.to}`, times };
}

/** `to` null: the best candidate. What was refused was not begun, and is asked for again for a while. */
async function moveRole(
  { store, config }: Connected,
  to: string | null,
  withinMs: number,
): Promise<{ to: string; tookMs: number }> {
  const endMs = Date.now() + Math.min(fitMs, withinMs);
  for (;;) {
    const startMs = Date.now();
    try {
      const view = await steadily(() => readCluster(store, config));
      const id = await askForTransfer(store, view, { to, reason: 'drill', withinMs });
      const record = await followTransfer(store, id, withinMs, null);
      return { to: record.to ?? '?', tookMs: Date.now() - startMs };
    } catch (error) {
      const isTooEarly = error instanceof CommandError && error.code === exitCodes.refused;
      if (!isTooEarly || Date.now() > endMs) throw error;
      await pause(500);
    }
  }
}

async function nodeNow({ store, config }: Connected, name: string): Promise<NodeView> {
  return findNode((await readCluster(store, config)).nodes, name);
}

function printDone(done: Done | undefined, output: Output | null): void {
  if (done === undefined || output === null) return;
  const times = Object.entries(done.times).map(([what, ms]) => `${what} after ${(ms / 1000).toFixed(1)} s`);
  const word = done.outcome === 'proved' ? output.paint('green', 'proved') : output.paint('red', done.outcome);
  output.line(`${done.step.padEnd(8)} ${word}: ${[done.because, ...times].join('; ')}`);
}

function quiet(output: Output | null): Output {
  const nothing = () => undefined;
  return { line: nothing, json: nothing, table: nothing, paint: (colour, word) => output?.paint(colour, word) ?? word };
}
