/** S7, S8: what a disk that hangs under the state directory costs noded: two of libuv's threads, however often it is asked. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { onHungDisk } from '../support/hung-disk.ts';

const root = new URL('../../', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-hung-disk-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Collects `system` six times, reads and writes the journal ten times each, then looks a name up and reads a file elsewhere. */
const source = `
import { readFile } from 'node:fs/promises';
import { Disk } from '${root}src/agent/disk.ts';
import { loadConfig } from '${root}src/config/load.ts';
import { realClock } from '${root}src/real/clock.ts';
import { fileJournal } from '${root}src/real/journal.ts';
import { lookups } from '${root}src/real/lookup.ts';
import { realSubsystems } from '${root}src/real/subsystems/subsystems.ts';
const [, , stateDir] = process.argv;
const subsystems = { system: { enabled: true, timeout: '400ms' } };
const loaded = loadConfig(JSON.stringify({ cluster: { name: 'c' }, node: { stateDir }, zookeeper: { servers: ['a:1'] }, subsystems }));
if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
const system = realSubsystems(loaded.config, null, null).find(({ name }) => name === 'system');
const disk = new Disk(fileJournal(stateDir), realClock(), () => undefined);
const seen = { took: [], readings: [] };
const timed = async (work) => {
  const startMs = performance.now();
  const value = await work();
  seen.took.push(Math.round(performance.now() - startMs));
  return value;
};
for (let k = 0; k < 6; k += 1) seen.readings.push((await timed(() => system.collect())).ok);
for (let k = 0; k < 10; k += 1) void disk.write('w' + k + '.json', '1');
seen.reads = [];
for (let k = 0; k < 10; k += 1) seen.reads.push(await disk.read('a.json'));
const late = new Promise((resolve) => setTimeout(() => resolve('late'), 1000));
seen.file = await Promise.race([late, readFile('/proc/self/comm', 'utf8').then(() => 'read')]);
seen.name = await Promise.race([late, lookups.addresses('localhost', 'zookeeper').then(() => 'found')]);
process.stdout.write(JSON.stringify(seen), () => process.kill(process.pid, 'SIGKILL')); // an exit would wait for the threads
`;

it('S7, S8: the readings end in time, other files are read and names found, with no more than four threads', async () => {
  const stateDir = join(dir, 'state');
  const program = join(dir, 'program.mjs');
  mkdirSync(stateDir);
  writeFileSync(join(dir, 'entry.ts'), source);
  const banner = `import { createRequire } from 'node:module'; globalThis.require = createRequire(import.meta.url);`;
  const common = { bundle: true, platform: 'node', format: 'esm', logLevel: 'silent', banner: { js: banner } } as const;
  await build({ ...common, entryPoints: [join(dir, 'entry.ts')], outfile: program });
  const [unshare, ...words] = onHungDisk(stateDir, process.execPath, program, stateDir);
  const options = { env: { PATH: process.env['PATH'] }, timeout: 60_000, killSignal: 'SIGKILL' } as const;
  const ended = (await promisify(execFile)(unshare, words, options).catch((error: unknown) => error)) as {
    readonly stdout: string;
    readonly stderr: string;
  };
  if (ended.stdout === '') throw new Error(`nothing within 60 s: ${ended.stderr}`);
  const seen = JSON.parse(ended.stdout) as Record<'took', number[]>;
  expect(seen).toMatchObject({
    readings: Array(6).fill(true),
    reads: Array(10).fill(null),
    file: 'read',
    name: 'found',
  });
  expect(Math.max(...seen.took)).toBeLessThan(800);
}, 90_000);
