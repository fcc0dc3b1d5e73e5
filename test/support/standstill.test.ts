/** What is said to be frozen stands still with all of its threads, also on a busy machine. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { freezeProcesses, standing, standUntil, thawProcesses } from '../../src/lab/standstill.ts';
import { pause, until } from './zookeeper.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-standstill-'));
const children: ChildProcess[] = [];
const start = (command: string, args: readonly string[]): ChildProcess => {
  const child = spawn(command, args, { stdio: 'ignore' });
  children.push(child);
  return child;
};
const pidOf = (child: ChildProcess): number => child.pid ?? 0;

/** Three threads that each write a number that grows. */
const threads = `const { Worker } = require('node:worker_threads');
for (const name of ['a', 'b', 'c'])
  new Worker('const { writeFileSync } = require("node:fs"); for (let n = 0; ; n += 1) writeFileSync(process.argv[2], String(n));',
    { eval: true, argv: [process.argv[1] + name] });`;
const counted = () => ['a', 'b', 'c'].map((name) => readFileSync(join(dir, `n-${name}`), 'utf8'));

beforeAll(async () => {
  for (let n = 0; n < 2 * cpus().length; n += 1) start('node', ['-e', 'for (;;) {}']);
  start('node', ['-e', threads, join(dir, 'n-')]);
  await until('every thread counts', 60_000, () => ['a', 'b', 'c'].every((name) => existsSync(join(dir, `n-${name}`))));
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

it('beside busy loops: frozen, nothing of it runs; thawed, it goes on; ten times', async () => {
  const pid = pidOf(children.at(-1) as ChildProcess);
  for (let round = 0; round < 10; round += 1) {
    await freezeProcesses([pid]);
    expect(standing(pid)).toBe('stopped');
    const before = counted();
    await pause(50);
    expect(counted()).toEqual(before);
    await thawProcesses([pid]);
    expect(standing(pid)).toBe('running');
    await until('it counts again', 30_000, () => counted().some((number, at) => number !== before[at]));
  }
});

it('a process that has ended needs neither, also among others', async () => {
  const ended = start('true', []);
  await until('it has ended', 10_000, () => standing(pidOf(ended)) === 'ended');
  const sleeper = start('sleep', ['600']);
  const both = [pidOf(ended), pidOf(sleeper)];
  await freezeProcesses(both);
  expect(both.map(standing)).toEqual(['ended', 'stopped']);
  await thawProcesses(both);
  expect(both.map(standing)).toEqual(['ended', 'running']);
});

it('what does not come to that state in time is named', async () => {
  const sleeper = pidOf(start('sleep', ['600']));
  process.kill(sleeper, 'SIGSTOP');
  await until('it stands', 10_000, () => standing(sleeper) === 'stopped');
  await expect(standUntil([sleeper], 'running', 50)).rejects.toThrow(`process ${sleeper}: not running within 50 ms`);
});
