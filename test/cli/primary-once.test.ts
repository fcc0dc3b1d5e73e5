/** `nodectl primary once` with runs at the same moment: real nodeds, a real ZooKeeper. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { keyRing } from '../support/keys.ts';
import { TwoNodes, nodectlMain } from '../support/two-nodes.ts';
import { until } from '../support/zookeeper.ts';

const nodes = new TwoNodes();
let holder = '';

beforeAll(async () => {
  await nodes.start();
  ({ holder } = await nodes.settled());
}, 120_000);
afterAll(() => nodes.stop());

const fileOf = (name: string) => join(nodes.dir, name);
/** What the runs of that name wrote: "begin" and "end", in order. */
const written = (name: string) =>
  existsSync(fileOf(name)) ? readFileSync(fileOf(name), 'utf8').trim().split('\n').filter(Boolean) : [];
const job = (name: string, seconds: number) => [
  'bash',
  '-c',
  `echo begin >> ${fileOf(name)}; sleep ${seconds}; echo end >> ${fileOf(name)}`,
];
const once = (name: string, seconds: number, ...options: string[]) =>
  nodes.nodectl(holder, 'primary', 'once', name, ...options, '--', ...job(name, seconds));
const isRunning = /(node\d \(epoch \d+, .*\) is running|runs on this machine) .*since \d|is running ".*" since/;

it('two begin at the same moment: one runs, the other is told who runs it and since when; then it is done for all', async () => {
  const both = await Promise.all([once('first', 3), once('first', 3)]);
  expect(written('first')).toEqual(['begin', 'end']);
  expect(both.map(({ code }) => code).sort()).toEqual([0, 4]);
  expect(both.find(({ code }) => code === 4)?.stderr).toMatch(isRunning);
  const third = await once('first', 0);
  expect(third).toMatchObject({ code: 0, stdout: expect.stringMatching(/was done by/) as string });
  expect(written('first')).toEqual(['begin', 'end']);
});

it('--begin-again beside a living run is refused, and says who runs it', async () => {
  const first = once('living', 8);
  await until('it runs', 30_000, () => written('living').length === 1);
  const again = await once('living', 0, '--begin-again');
  expect(again).toMatchObject({ code: 4, stderr: expect.stringMatching(isRunning) as string });
  expect((await first).code).toBe(0);
  expect(written('living')).toEqual(['begin', 'end']);
});

it('left half done: not run again by itself; of two --begin-again at the same moment one runs', async () => {
  for (const name of ['half1', 'half2']) {
    const words = [nodectlMain, 'primary', 'once', name, '--', ...job(name, 60)];
    const killed = spawn(process.execPath, words, { stdio: 'ignore', env: nodes.environment(holder) });
    await until('it runs', 30_000, () => written(name).length === 1);
    killed.kill('SIGKILL');
    // As long as its session stands it counts as running.
    await until('it is half done', 40_000, async () => /half done: node\d/.test((await once(name, 0)).stderr));
    const both = await Promise.all([once(name, 3, '--begin-again'), once(name, 3, '--begin-again')]);
    expect(written(name)).toEqual(['begin', 'begin', 'end']);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 4]);
    expect(both.find(({ code }) => code === 4)?.stderr).toMatch(isRunning);
  }
});

it('a run that fails may be tried again; Ctrl-C is noted as its end', async () => {
  expect(await nodes.nodectl(holder, 'primary', 'once', 'failing', '--', 'false')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/failed: exit code 1; it may be tried again/) as string,
  });
  const words = [nodectlMain, 'primary', 'once', 'failing', '--', ...job('failing', 60)];
  const interrupted = spawn(process.execPath, words, { stdio: 'ignore', env: nodes.environment(holder) });
  await until('it runs', 30_000, () => written('failing').length === 1);
  interrupted.kill('SIGINT');
  await new Promise((resolve) => interrupted.once('exit', resolve));
  expect(await once('failing', 0)).toMatchObject({ code: 0 });
  expect(written('failing')).toEqual(['begin', 'begin', 'end']);
});

it('the store forgets what was done: this coordinator remembers it, nothing is run', async () => {
  expect((await once('kept', 0)).code).toBe(0);
  const store = openZooKeeperStore({
    servers: nodes.addresses(),
    root: '/nodekeeper/c',
    sessionTimeoutMs: 10_000,
    connectTimeoutMs: 500,
    requestTimeoutMs: 3000,
    keys: keyRing(readFileSync(join(nodes.dir, 'key'), 'utf8')),
  });
  await until('connected', 10_000, () => store.session().state === 'connected');
  const read = await store.read('/once/kept');
  expect(read.ok && (await store.remove('/once/kept', read.version)).ok).toBe(true);
  await store.close(500);
  expect(await once('kept', 0)).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(
      /completed "kept" at .* says the disk of this machine, but the store does not know it: ZooKeeper was recreated empty, or restored/,
    ) as string,
  });
  expect(written('kept')).toEqual(['begin', 'end']);
  expect(await nodes.nodectl(holder, 'primary', 'once', 'kept', '--done-already')).toMatchObject({ code: 0 });
  expect(await once('kept', 0)).toMatchObject({ code: 0, stdout: expect.stringMatching(/was done by/) as string });
  expect(written('kept')).toEqual(['begin', 'end']);
});
