/** LOG1: a reader that stops reading stops nothing. pino's default destination stopped the event loop for seconds. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { humanLine } from '../../src/real/log-line.ts';
import { repeats } from '../../src/real/log-repeats.ts';
import { realLog } from '../../src/real/log.ts';
import { pause } from '../support/zookeeper.ts';

it('a stalled reader of the log does not delay the beat; what does not fit is dropped and counted', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-log-'));
  const fifo = join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const reader = spawn('sh', ['-c', `exec 3< ${fifo}; exec sleep 30`], { stdio: 'ignore' });
  const fd = openSync(fifo, 'w');
  const log = realLog('info', 'test', fd);
  let worstMs = 0;
  for (let k = 0; k < 100; k += 1) {
    const startMs = performance.now();
    for (let line = 0; line < 100; line += 1) log.info('a line', { k, line, text: 'x'.repeat(200) });
    await pause(1);
    worstMs = Math.max(worstMs, performance.now() - startMs);
  }
  expect(log.dropped()).toBeGreaterThan(0);
  expect(worstMs).toBeLessThan(500);
  const flushMs = performance.now();
  await log.flush(200);
  expect(performance.now() - flushMs).toBeLessThan(500);
  reader.kill('SIGKILL');
  await pause(50);
  rmSync(dir, { recursive: true, force: true });
});

it('S10: a secret under its usual names is not written', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-log-'));
  const file = join(dir, 'log');
  const log = realLog('info', 'test', openSync(file, 'w'));
  log.info('event', { password: 'sesame', bmc: { password: 'sesame' }, node: 'node1' });
  await log.flush(1000);
  const text = execFileSync('cat', [file], { encoding: 'utf8' });
  expect(text).toContain('node1');
  expect(text).not.toContain('sesame');
  rmSync(dir, { recursive: true, force: true });
});

it('the same line again and again is counted; what was held back is said in the end, and the newest lines are kept', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-log-'));
  const file = join(dir, 'log');
  const log = realLog('info', 'test', openSync(file, 'w'));
  for (let times = 0; times < 50; times += 1) log.warn('store away', { because: 'no server answers' });
  log.warn('store away', { because: 'another reason' });
  await log.flush(1000);
  const lines = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  expect(lines).toMatchObject([
    { msg: 'store away', because: 'no server answers' },
    { msg: 'store away', because: 'another reason' },
    { msg: 'store away', because: 'no server answers', repeated: 49 },
  ]);
  expect(log.recent(2).map((line) => JSON.parse(line) as object)).toMatchObject(lines.slice(-2));
  rmSync(dir, { recursive: true, force: true });
});

it('a repetition is told once a minute, however many different lines there are', () => {
  let nowMs = 0;
  const seen = repeats(() => nowMs);
  expect(['a', 'a', 'b', 'a'].map((line) => seen.pass(line))).toEqual([0, null, 0, null]);
  nowMs = 59_000;
  expect(seen.due()).toEqual([]);
  nowMs = 60_000;
  expect(seen.pass('a')).toBe(2);
  expect(seen.pass('a')).toBeNull();
  nowMs = 120_000;
  expect(seen.due()).toEqual([{ line: 'a', count: 1 }]);
  for (let line = 0; line < 5000; line += 1) expect(seen.pass(`line ${line}`)).toBe(0);
  expect(seen.pass('line 4999')).toBeNull();
});

it('on a terminal it is sentences, in a file JSON', () => {
  const json =
    '{"level":"warn","time":"2026-01-02T03:04:05.678Z","name":"node1","because":"no keepalive for 3 s","node":"node2","throws":3,"msg":"verdict"}\n';
  expect(humanLine(json)).toBe('03:04:05.678 warn  verdict: no keepalive for 3 s (node=node2, throws=3)\n');
  expect(humanLine('not ours')).toBe('not ours');
  const program = `import { realLog } from ${JSON.stringify(new URL('../../dist/real/log.js', import.meta.url).href)}; const log = realLog('info', 'n'); log.info('hello', { because: 'so' }); await log.flush(500);`;
  const dir = mkdtempSync(join(tmpdir(), 'nk-log-'));
  writeFileSync(join(dir, 'program.mjs'), program);
  const command = `"${process.execPath}" ${join(dir, 'program.mjs')}`;
  const onTerminal = execFileSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' });
  rmSync(dir, { recursive: true, force: true });
  expect(onTerminal).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}hello: so\r\n$/);
});
