/** LOG1: a reader that stops reading stops nothing. pino's default destination stopped the event loop for seconds. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
    for (let line = 0; line < 100; line += 1) log.info('a line', { text: 'x'.repeat(200) });
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
