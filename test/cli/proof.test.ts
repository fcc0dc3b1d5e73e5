/** scripts/sim and scripts/scenario as a person uses them, wrong turns included. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../support/program.ts';

const root = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'nodekeeper-proof-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = (script: string, args: readonly string[], interruptAfterMs?: number) =>
  runProgram(join(root, 'scripts', script), args, { cwd: folder, interruptAfterMs });

describe('scripts/sim', () => {
  it('runs what is asked for, and the same command again has nothing left to do', async () => {
    const ledger = join(folder, 'ledger');
    const args = ['--seeds', '11-14', '--jobs', '2', '--ledger', ledger];
    expect(await run('sim', args)).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^4 stories, 0 broke a rule.*\nwell again after \d+ s.*\n\d+ virtual node-hours/,
      ) as string,
    });
    const lines = readFileSync(ledger, 'utf8').trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { seed: number }).seed).sort()).toEqual([11, 12, 13, 14]);
    expect(await run('sim', args)).toMatchObject({ code: 0, stdout: expect.stringContaining('0 stories') as string });
  });

  it('Ctrl-C ends it at once, and what was run is remembered', async () => {
    const ledger = join(folder, 'interrupted');
    const said = await run('sim', ['--hours', '1', '--jobs', '1', '--ledger', ledger], 4000);
    expect(said.code).toBe(130);
    const ran = Number(/^(\d+) stories/m.exec(said.stdout)?.[1]);
    expect(ran).toBeGreaterThan(0);
    expect(readFileSync(ledger, 'utf8').trim().split('\n')).toHaveLength(ran);
  });

  it.each([
    [['--seeds', 'x'], /neither N nor FROM-TO/],
    [['--seeds', '9-3'], /9 is more than 3/],
    [['--nodes', '1'], /at least 2 nodes/],
    [['--nodes', '0'], /no whole number/],
    [['--jobs', 'two'], /no whole number/],
    [['--hours', '-1'], /--hours/],
    [['--no-such'], /no-such/],
    [['--ledger', join(root, 'README.md')], /no ledger of a campaign/],
  ])('%j is refused', async (args, why) => {
    expect(await run('sim', args)).toMatchObject({ code: 2, stderr: expect.stringMatching(why) as string });
  });
});

describe('scripts/scenario', () => {
  it('runs one story as expected, and shows it', async () => {
    expect(await run('scenario', ['run', 'plug-pulled'])).toMatchObject({
      code: 0,
      stdout: 'plug-pulled: as expected\n',
    });
    const shown = await run('scenario', ['show', 'plug-pulled']);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^# .*\n[^]*fence-intent/) as string });
    expect((await run('scenario', ['show', 'plug-pulled', '--seed', '2'])).stdout).not.toBe(shown.stdout);
  });

  it('says where another history parts from the expected one, and records it', async () => {
    const copy = join(folder, 'copy');
    cpSync(join(root, 'test/scenarios/plug-pulled'), copy, { recursive: true });
    const file = join(copy, 'expected.log');
    const log = readFileSync(file, 'utf8');
    writeFileSync(file, log.replace('fence-intent', 'something else'));
    expect(await run('scenario', ['run', copy])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        /something else happened\nline \d+:\n[^]*- .*something else[^]*\+ .*fence-intent/,
      ) as string,
    });
    expect(await run('scenario', ['record', copy])).toMatchObject({ code: 0 });
    expect(readFileSync(file, 'utf8')).toBe(log);
  });

  it.each([
    [[], /say what to do/],
    [['run', 'no-such-story'], /no story of that name/],
    [['record'], /not understood/],
    [['show', 'plug-pulled', '--seed', 'x'], /no whole number/],
    [['run', 'plug-pulled', '--seed', '1'], /for "show" only/],
  ])('%j is refused', async (args, why) => {
    expect(await run('scenario', args)).toMatchObject({ code: 2, stderr: expect.stringMatching(why) as string });
  });

  it('a story that cannot be read is refused with the place', async () => {
    const broken = join(folder, 'broken');
    cpSync(join(root, 'test/scenarios/plug-pulled'), broken, { recursive: true });
    writeFileSync(join(broken, 'scenario.yaml'), 'cluster: { nodes: many }\nstory: []\nuntil: 1s\n');
    expect(await run('scenario', ['run', broken])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('cluster.nodes') as string,
    });
  });
});
