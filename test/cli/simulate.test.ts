/** nodectl simulate as a person uses it, wrong turns included; and its sums. */
import { parseXml } from '@rgrove/parse-xml';
import fc from 'fast-check';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plotSvg } from '../../src/cli/commands/simulate/plot.ts';
import { spreadOf, tallyOf } from '../../src/cli/commands/simulate/tally.ts';
import { runProgram } from '../support/program.ts';
import type { Trial } from '../../src/sim/trial/trial.ts';
import { situations } from '../../src/sim/trial/situations.ts';

const nodectl = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'nodekeeper-simulate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: readonly string[], interruptAfterMs?: number) =>
  runProgram(nodectl, ['simulate', ...args], { cwd: folder, interruptAfterMs });

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const config = file(
  'config.yaml',
  [
    'cluster: { name: own, keyFile: /none }',
    "zookeeper: { servers: ['a:2181'] }",
    'keepalive: { interval: 1s }',
    'detection: { savingThrows: 10 }',
    'bmc: { address: x, username: u, passwordFile: /none }',
  ].join('\n'),
);

it('plays an own configuration: tables, a picture, and what cannot happen there', async () => {
  const svg = join(folder, 'out.svg');
  const said = await run(['--config', config, '--runs', '22', '--svg', svg]);
  expect(said).toMatchObject({ code: 0, stderr: '' });
  expect(said.stdout).toMatch(/^22 runs, seed 1: 3 nodes \(3 coordinators\), 1 ZooKeeper servers; .*config\.yaml$/m);
  expect(said.stdout).toMatch(/^beat 1 s, 10 saving throws: dead after 10 s; lease /m);
  expect(said.stdout).toMatch(/^power +2 +\d/m);
  expect(said.stdout).toMatch(/^PAUSE OF +FENCED$/m);
  expect(said.stdout).toMatch(/^leader is left out: it needs at least 3 ZooKeeper servers$/m);
  expect(said.stdout).toMatch(/^! plug: in 2 of 2 runs nothing worked again by itself/m);
  expect(parseXml(readFileSync(svg, 'utf8')).root?.name).toBe('svg');
});

it('docs/TIMING.md shows what the command says', async () => {
  const path = new URL('../../docs/TIMING.md', import.meta.url).pathname;
  const text = readFileSync(path, 'utf8');
  const shown = /<!-- simulate -->\n\n```console\n\$ nodectl simulate (.*)\n([^`]*)```/.exec(text);
  const [, command = '', said = ''] = shown ?? [];
  const { stdout } = await run(command.split(' '));
  expect(stdout).toMatch(/^250 runs/);
  if (process.env['NODEKEEPER_REWRITE'] === '1')
    writeFileSync(
      path,
      text.replace(said, () => stdout),
    );
  else expect(said).toBe(stdout);
});

it('the same command says the same, whatever the number of processes; another seed says something else', async () => {
  const args = ['--config', config, '--runs', '8', '--only', 'power,pause', '--json'];
  const once = await run([...args, '--jobs', '1']);
  expect(once.code).toBe(0);
  expect((await run([...args, '--jobs', '2'])).stdout).toBe(once.stdout);
  expect((await run([...args, '--seed', '100'])).stdout).not.toBe(once.stdout);
  const outcome = JSON.parse(once.stdout) as {
    situations: { name: string; runs: number; again: { medianMs: number } }[];
  };
  expect(outcome).toMatchObject({
    cluster: { nodes: 3, coordinators: 3, zookeepers: 1 },
    timing: { intervalMs: 1000, savingThrows: 10, detectionMs: 10_000 },
  });
  expect(outcome.situations.map(({ name, runs }) => [name, runs])).toEqual([
    ['power', 4],
    ['pause', 4],
  ]);
});

it('a slower beat is slower: what --set changes is what is played', async () => {
  const median = async (...more: string[]) => {
    const { stdout } = await run(['--config', config, '--runs', '6', '--only', 'freeze', '--json', ...more]);
    return (JSON.parse(stdout) as { situations: { again: { medianMs: number } }[] }).situations[0]?.again.medianMs ?? 0;
  };
  expect(await median('--set', 'keepalive.interval=3s')).toBeGreaterThan((await median()) + 15_000);
});

it('an own story', async () => {
  const story = file('story.yaml', 'story: [{ at: 0s, do: cut PRIMARY --store }, { at: 5s, do: heal }]\nuntil: 20s\n');
  const said = await run(['--config', config, '--story', story, '--runs', '3']);
  expect(said).toMatchObject({ code: 0, stdout: expect.stringMatching(/^story +3 +0 .*your story$/m) as string });
});

it('Ctrl-C: what was run is told, exit 130', async () => {
  const said = await run(['--runs', '100000', '--json'], 5000);
  expect(said.code).toBe(130);
  expect(said.stderr).toMatch(/interrupted: \d+ of 100000 runs/);
  expect((JSON.parse(said.stdout) as { runs: number }).runs).toBeGreaterThan(0);
});

it.each([
  [['--runs', 'x'], 2, /--runs takes a whole number from 1 to 1000000; got "x"/],
  [['--nodes', '1'], 2, /--nodes takes a whole number from 2 to 1000/],
  [['--coordinators', '4'], 2, /--coordinators takes a whole number from 1 to 3/],
  [['--jobs', '0'], 2, /--jobs/],
  [['--only', 'power,nope'], 2, /no situation "nope"; there are: power, freeze/],
  [['--only', 'half', '--nodes', '2'], 2, /half is left out: it needs at least 3 nodes/],
  [['--set', 'interval'], 2, /--set takes section\.key=value/],
  [['--set', 'keepalive.intervall=2s'], 2, /with --set .*: keepalive\.intervall: unknown key; did you mean "interval"/],
  [['--set', 'keepalive.interval=1s'], 2, /detection\.savingThrows: .* does not hold/],
  [['--set', 'keepalive.interval=[1'], 2, /--set keepalive\.interval=\[1: /],
  [['--config', '/nope'], 2, /\/nope: the configuration cannot be read/],
  [['--svg', '/nope/x.svg'], 2, /--svg: \/nope\/x\.svg cannot be written/],
  [['--svg', '/tmp'], 2, /--svg: \/tmp cannot be written: it is a folder/],
  [['--story', '/nope'], 2, /the story cannot be read/],
  [['--story', 'words.yaml'], 2, /"explode" is none of: power, freeze/],
  [['--story', 'late.yaml'], 2, /"heal" comes after the end/],
  [['--story', 'key.yaml'], 2, /until/],
  [['--story', 'broken.yaml'], 2, /broken\.yaml: /],
  [['--story', 'nobody.yaml', '--runs', '2'], 1, /cannot be run: story, seed [12]: no machine "node9"/],
  [['--story', 'late.yaml', '--only', 'power'], 2, /exclude each other/],
  [['--bmc-delay', 'soon'], 2, /--bmc-delay takes a duration/],
  [['--no-such'], 2, /no-such/],
] as const)('%j: exit %i', async (args, code, message) => {
  file('words.yaml', 'story: [{ at: 0s, do: explode node1 }]\nuntil: 1s\n');
  file('late.yaml', 'story: [{ at: 2s, do: heal }]\nuntil: 1s\n');
  file('key.yaml', 'story: [{ at: 2s, do: heal }]\n');
  file('broken.yaml', 'story: [\n');
  file('nobody.yaml', 'story: [{ at: 0s, do: power node9 off }]\nuntil: 1s\n');
  const said = await run(args);
  expect(said).toMatchObject({ code, stderr: expect.stringMatching(message) as string, stdout: '' });
  expect(existsSync('/nope')).toBe(false);
});

describe('sums', () => {
  const values = fc.array(fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })), { maxLength: 50 });

  it('a spread is made of measured values, in order, and leaves nothing out', () => {
    fc.assert(
      fc.property(values, (all) => {
        const { runs, never, sortedMs, medianMs, p90Ms, p99Ms, maxMs } = spreadOf(all);
        expect(runs).toBe(all.length);
        expect(sortedMs.length + never).toBe(runs);
        const marks = [medianMs, p90Ms, p99Ms, maxMs].filter((mark) => mark !== null);
        expect(marks).toHaveLength(sortedMs.length === 0 ? 0 : 4);
        for (const mark of marks) expect(sortedMs).toContain(mark);
        expect(marks).toEqual([...marks].sort((a, b) => a - b));
        const upTo = (mark: number | null) => sortedMs.filter((ms) => ms <= (mark ?? 0)).length;
        expect(upTo(medianMs)).toBeGreaterThanOrEqual(sortedMs.length / 2);
        expect(upTo(p99Ms)).toBeGreaterThanOrEqual(sortedMs.length * 0.99);
      }),
    );
  });

  const trial = fc.record({ lastsMs: fc.double({ min: 0.1, max: 60_000, noNaN: true }), isFenced: fc.boolean() });
  const made = ({ lastsMs, isFenced }: { lastsMs: number; isFenced: boolean }, index: number): Trial => ({
    ...{ situation: 'pause', seed: index, lastsMs, awayMs: lastsMs, servedMs: lastsMs },
    ...{ verdictMs: null, offMs: null, vmsMs: null, guards: {}, findings: [], nodeHours: 1 },
    shot: isFenced ? ['node1'] : [],
  });
  const pause = situations.find(({ name }) => name === 'pause');
  if (pause === undefined) throw new Error('pause');

  it('every silence falls into exactly one bin, and the picture is XML', () => {
    fc.assert(
      fc.property(fc.array(trial, { maxLength: 60 }), (all) => {
        const tally = tallyOf(pause, all.map(made), 30_000);
        const { bins, runsWithFence, shortestFencedMs, longestSparedMs } = tally;
        expect(bins.reduce((sum, { runs }) => sum + runs, 0)).toBe(all.length);
        expect(bins.reduce((sum, { fenced }) => sum + fenced, 0)).toBe(runsWithFence);
        if (shortestFencedMs !== null) expect(all.filter(({ isFenced }) => isFenced).length).toBe(runsWithFence);
        for (const { lastsMs, isFenced } of all)
          if (isFenced) expect(lastsMs).toBeGreaterThanOrEqual(shortestFencedMs ?? Infinity);
          else expect(lastsMs).toBeLessThanOrEqual(longestSparedMs ?? -Infinity);
        expect(parseXml(plotSvg([tally])).root?.name).toBe('svg');
        expect(plotSvg([tally])).not.toMatch(/NaN|Infinity|undefined/);
      }),
    );
  });
});
