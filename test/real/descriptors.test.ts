/** S8: with every file descriptor used up the clock goes on: the keepalive loop asks it at each beat. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../../', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-descriptors-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it('S8: EMFILE does not stop the clock', async () => {
  const entry = join(dir, 'entry.ts');
  writeFileSync(
    entry,
    `import { openSync } from 'node:fs';
import { realClock } from '${root}src/real/clock.ts';
const clock = realClock();
let code = '';
try { for (;;) openSync('/dev/null', 'r'); } catch (error) { code = (error as { code: string }).code; }
process.stdout.write(JSON.stringify({ code, suspendedMs: clock.suspendedMs() }));`,
  );
  const outfile = join(dir, 'entry.mjs');
  await build({ entryPoints: [entry], bundle: true, platform: 'node', format: 'esm', outfile, logLevel: 'silent' });
  const { stdout } = await promisify(execFile)('bash', ['-c', `ulimit -n 64; exec "${process.execPath}" "${outfile}"`]);
  expect(JSON.parse(stdout)).toEqual({ code: 'EMFILE', suspendedMs: 0 });
});
