/** The promises of environment/log.ts on both sides of the seam (LOG1 under a stalled reader: test/real/log). */
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Log } from '../../src/environment/log.ts';
import { realLog } from '../../src/real/log.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { simLog } from '../../src/sim/log.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { Trace } from '../../src/sim/trace.ts';

interface LogUnderTest {
  readonly log: Log;
  /** What was written, one text per line. */
  lines(): Promise<string[]>;
}

const dir = mkdtempSync(join(tmpdir(), 'nk-log-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function real(): LogUnderTest {
  const file = join(dir, 'log');
  const log = realLog('info', 'node1', openSync(file, 'w'));
  const lines = async () => {
    await log.flush(1000);
    return readFileSync(file, 'utf8').trimEnd().split('\n');
  };
  return { log, lines };
}

function simulated(): LogUnderTest {
  const time = new VirtualTime();
  const trace = new Trace(time);
  const log = simLog('node1', new SimProcess(time), trace, 'info');
  return { log, lines: () => Promise.resolve(trace.text().split('\n')) };
}

it.each([
  ['real', real],
  ['simulated', simulated],
] as const)('LOG2: one event is one line, below the level there is none: %s', async (_side, setUp) => {
  const { log, lines } = setUp();
  log.info('first', { because: 'a reason', node: 'node2' });
  log.debug('unseen', {});
  log.warn('second', { because: 'two\nlines' });
  log.error('third');
  const written = await lines();
  expect(written).toHaveLength(3);
  for (const [index, word] of ['first', 'second', 'third'].entries()) expect(written[index]).toContain(word);
  expect(written[0]).toContain('a reason');
});

it.each([
  ['real', real],
  ['simulated', simulated],
] as const)('LOG1: no fact makes it throw: %s', async (_side, setUp) => {
  const { log, lines } = setUp();
  const ring: Record<string, unknown> = {};
  ring['ring'] = ring;
  for (const fact of [undefined, null, Number.NaN, ring, 10n, new Error('broken'), () => undefined])
    expect(() => log.info('odd', { fact })).not.toThrow();
  expect((await lines()).length).toBeGreaterThan(0);
});
