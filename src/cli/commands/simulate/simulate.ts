/**
 * nodectl simulate: plays an own configuration in the simulator, with the very agent code of noded, many times: how soon it works
 * again when the primary goes, how long a healthy node may be silent, what the guards do. Touches no cluster.
 */
import { accessSync, constants, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseStory } from '../../../proof/scenario-file.ts';
import type { Story } from '../../../proof/scenario-file.ts';
import type { TrialOrder } from '../../../proof/trial-child.ts';
import type { OwnCluster } from '../../../sim/trial/own-cluster.ts';
import { zookeepersOf } from '../../../sim/trial/own-cluster.ts';
import type { Situation } from '../../../sim/trial/situations.ts';
import { ownSituation, situations } from '../../../sim/trial/situations.ts';
import { inWords } from '../../../core/decision.ts';
import type { Arguments, Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import type { Output } from '../../output.ts';
import { durationOption } from '../../seconds.ts';
import { runTrials } from '../../trials.ts';
import { ownConfig } from './own-config.ts';
import { plotSvg } from './plot.ts';
import { printTallies, remarks } from './print.ts';
import type { Spread, Tally } from './tally.ts';
import { tallyOf } from './tally.ts';

const names = situations.map(({ name }) => name);
const interrupted = 130;

export const simulate: Command = {
  usage: 'simulate',
  describe:
    'Play this configuration in a simulated cluster, a thousand times: how soon it works again when the primary goes, how long a healthy node may be silent, what the guards do. Touches nothing.',
  options: {
    nodes: { type: 'string', default: '3', describe: 'how many machines, all with this configuration' },
    coordinators: { type: 'string', describe: 'how many of them are coordinators (default: up to 5)' },
    runs: { type: 'string', default: '1000', describe: 'how many runs in all' },
    only: { type: 'string', describe: `which situations: ${names.join(',')} (default: all)` },
    set: { type: 'string', array: true, default: [], describe: 'try another value, e.g. keepalive.interval=2s' },
    story: { type: 'string', describe: 'a file with a story of your own, instead of the situations' },
    'bmc-delay': { type: 'string', describe: 'a BMC takes so long to answer (yours: nodectl fence-check)' },
    seed: { type: 'string', default: '1', describe: 'the same seed gives the same runs' },
    jobs: { type: 'string', describe: 'processes at once (default: the number of cores)' },
    svg: { type: 'string', describe: 'draws the outcome into this file' },
    ...jsonOption,
  },
  examples: [
    ['nodectl simulate', 'what the configuration of this machine does'],
    ['nodectl simulate --set keepalive.interval=2s --set detection.savingThrows=5', 'what a faster beat would do'],
    ['nodectl simulate --nodes 20 --only power,pause --runs 200 --svg failover.svg', 'a larger cluster, as a picture'],
  ],
  async run(args, output) {
    const { config, from } = ownConfig(text(args, 'config'), (args['set'] as string[] | undefined) ?? []);
    const own = ownOf(args, config);
    const seed = count(args, 'seed', 0, 4_000_000_000);
    const runs = count(args, 'runs', 1, 1_000_000);
    const { wanted, story, left } = situationsOf(args, own);
    const picture = pictureOf(args);
    const orders = Array.from({ length: runs }, (_, index): TrialOrder => {
      const situation = wanted[index % wanted.length]?.name ?? '';
      return { own, situation, seed: seed + index, story };
    });
    const over = new AbortController();
    const stop = () => over.abort();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
    const progress = new Progress(runs);
    const jobs = text(args, 'jobs') === undefined ? null : count(args, 'jobs', 1, 256);
    const { trials, because } = await runTrials({
      ...{ orders, jobs, over: over.signal },
      onTrial: (_trial, done) => progress.show(done),
    });
    progress.clear();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
    if (because !== null) throw new CommandError(exitCodes.failed, `the simulation cannot be run: ${because}`);
    const { detectionMs } = config.timing;
    const tallies = wanted.map((situation) =>
      tallyOf(
        situation,
        trials.filter((trial) => trial.situation === situation.name),
        detectionMs,
      ),
    );
    const said = remarks(tallies, detectionMs);
    if (flag(args, 'json')) output.json(asJson(own, { from, seed, runs: trials.length, tallies, remarks: said }));
    else {
      printHead(own, { from, seed, runs: trials.length }, output);
      printTallies(tallies, output);
      for (const sentence of left) output.line(output.paint('dim', sentence));
      if (said.length > 0) output.line();
      for (const remark of said) output.line(output.paint('yellow', `! ${remark}`));
    }
    if (picture !== null) {
      writeFileSync(picture, plotSvg(tallies));
      if (!flag(args, 'json')) output.line(`\ndrawn: ${picture}`);
    }
    if (over.signal.aborted) {
      process.stderr.write(`nodectl: interrupted: ${trials.length} of ${runs} runs\n`);
      return interrupted;
    }
    return tallies.some(({ findings }) => findings.length > 0) ? exitCodes.failed : exitCodes.done;
  },
};

function count(args: Arguments, name: string, least: number, most: number): number {
  const written = text(args, name) ?? '';
  const number = Number(written);
  if (!/^\d+$/.test(written) || number < least || number > most)
    throw new CommandError(
      exitCodes.usage,
      `--${name} takes a whole number from ${least} to ${most}; got "${written}"`,
    );
  return number;
}

const coordinatorsUsual = 5;

function ownOf(args: Arguments, config: OwnCluster['config']): OwnCluster {
  const nodes = count(args, 'nodes', 2, 1000);
  const coordinators =
    text(args, 'coordinators') === undefined
      ? Math.min(nodes, coordinatorsUsual)
      : count(args, 'coordinators', 1, nodes);
  const bmcSlowMs = text(args, 'bmc-delay') === undefined ? 0 : durationOption(args, 'bmc-delay');
  return { config, nodes, coordinators, bmcSlowMs };
}

/** `left`: which situations cannot happen in this cluster, and why. */
function situationsOf(
  args: Arguments,
  own: OwnCluster,
): { readonly wanted: readonly Situation[]; readonly story: Story | null; readonly left: readonly string[] } {
  const file = text(args, 'story');
  const only = text(args, 'only');
  if (file !== undefined) {
    if (only !== undefined) throw new CommandError(exitCodes.usage, '--story and --only exclude each other');
    const story = readStory(file);
    return { wanted: [ownSituation('story', story.steps, story.untilMs)], story, left: [] };
  }
  const asked = only?.split(',').map((name) => name.trim()) ?? names;
  const unknown = asked.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new CommandError(
      exitCodes.usage,
      `--only: there is no situation "${unknown}"; there are: ${names.join(', ')}`,
    );
  const known = situations.filter(({ name }) => asked.includes(name));
  const lacking = known.flatMap(({ name, lacks }) => {
    const why = lacks?.(own) ?? null;
    return why === null ? [] : [{ name, why }];
  });
  const wanted = known.filter(({ name }) => !lacking.some((one) => one.name === name));
  const left = lacking.map(({ name, why }) => `${name} is left out: ${why}`);
  if (wanted.length === 0) throw new CommandError(exitCodes.usage, left.join('\n'));
  return { wanted, story: null, left };
}

function readStory(file: string): Story {
  let written: string;
  try {
    written = readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandError(exitCodes.usage, `the story cannot be read: ${(error as Error).message}`);
  }
  const parsed = parseStory(written);
  if (!parsed.ok) throw new CommandError(exitCodes.usage, `${file}: ${parsed.because}`);
  return parsed.story;
}

interface Ran {
  readonly from: string;
  readonly seed: number;
  readonly runs: number;
}

function printHead(own: OwnCluster, { from, seed, runs }: Ran, output: Output): void {
  const { nodes, coordinators, config } = own;
  const { keepalive, detection, timing } = config;
  output.line(
    `${runs} runs, seed ${seed}: ${nodes} nodes (${coordinators} coordinators), ${zookeepersOf(own)} ZooKeeper servers; ${from}`,
  );
  output.line(
    `beat ${inWords(keepalive.interval)}, ${detection.savingThrows} saving throws: dead after ${inWords(timing.detectionMs)}; lease ${inWords(timing.leaseMs)}`,
  );
}

function asJson(
  own: OwnCluster,
  {
    from,
    seed,
    runs,
    tallies,
    remarks: said,
  }: Ran & { readonly tallies: readonly Tally[]; readonly remarks: readonly string[] },
) {
  const { nodes, coordinators, config } = own;
  const { keepalive, detection, timing } = config;
  const plain = ({ runs: of, never, medianMs, p90Ms, p99Ms, maxMs }: Spread) => ({
    runs: of,
    never,
    medianMs,
    p90Ms,
    p99Ms,
    maxMs,
  });
  return {
    config: from,
    cluster: { nodes, coordinators, zookeepers: zookeepersOf(own) },
    timing: {
      intervalMs: keepalive.interval,
      savingThrows: detection.savingThrows,
      detectionMs: timing.detectionMs,
      leaseMs: timing.leaseMs,
    },
    ...{ seed, runs },
    situations: tallies.map(({ verdict, off, again, vms, away, ...rest }) => ({
      ...rest,
      ...{ verdict: plain(verdict), off: plain(off), again: plain(again), vms: plain(vms), away: plain(away) },
    })),
    remarks: said,
  };
}

/** Looked at before hours of simulation are lost for a typing error. */
function pictureOf(args: Arguments): string | null {
  const file = text(args, 'svg');
  if (file === undefined) return null;
  try {
    accessSync(dirname(resolve(file)), constants.W_OK);
    if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) throw new Error('it is a folder');
  } catch (error) {
    throw new CommandError(exitCodes.usage, `--svg: ${file} cannot be written: ${(error as Error).message}`);
  }
  return file;
}

/** One line on a terminal that shows how far it is. */
class Progress {
  private readonly runs: number;
  private readonly startMs = performance.now();
  private shownMs = 0;

  constructor(runs: number) {
    this.runs = runs;
  }

  show(done: number): void {
    const nowMs = performance.now();
    if (!process.stderr.isTTY || nowMs - this.shownMs < 200) return;
    this.shownMs = nowMs;
    const leftMs = ((nowMs - this.startMs) / done) * (this.runs - done);
    const columns = 30;
    const filled = Math.floor((done / this.runs) * columns);
    process.stderr.write(
      `\r${'█'.repeat(filled)}${'░'.repeat(columns - filled)} ${done} of ${this.runs} runs, ${Math.ceil(leftMs / 1000)} s left \x1b[K`,
    );
  }

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }
}
