/** The promises of environment/journal.ts on both sides of the seam. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Journal } from '../../src/environment/journal.ts';
import { fileJournal, memoryJournal } from '../../src/real/journal.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { simJournal } from '../../src/sim/journal.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { settleIn } from '../support/virtual.ts';

interface JournalUnderTest {
  /** A new life on the same disk. */
  open(): Journal;
  settle<T>(work: Promise<T>): Promise<T>;
}

const dir = mkdtempSync(join(tmpdir(), 'nk-journal-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const inMemory = mkdtempSync('/dev/shm/nk-journal-');
afterAll(() => rmSync(inMemory, { recursive: true, force: true }));

function mustBeInMemory(): Journal {
  const journal = memoryJournal(join(inMemory, 'run', 'noded.sock'));
  if (journal === null) throw new Error('/dev/shm is no file system in memory');
  return journal;
}

const sides: readonly [string, () => JournalUnderTest][] = [
  ['real', () => ({ open: () => fileJournal(join(dir, 'state', 'deep')), settle: (work) => work })],
  ['real, in memory', () => ({ open: mustBeInMemory, settle: (work) => work })],
  [
    'simulated',
    () => {
      const time = new VirtualTime();
      const disk = new Map<string, string>();
      return { open: () => simJournal(disk, new SimProcess(time), () => false), settle: settleIn(time) };
    },
  ],
];

describe.each(sides)("the journal's promises: %s", (_side, setUp) => {
  const under = setUp();

  it('JOURNAL3: what was never written reads as null', async () => {
    expect(await under.settle(under.open().read('nothing.json'))).toBeNull();
  });

  it('JOURNAL1: what was written is read by the next life; the newest write wins', async () => {
    const journal = under.open();
    expect(await under.settle(journal.write('a.json', 'one'))).toBeNull();
    expect(await under.settle(under.open().read('a.json'))).toBe('one');
    await under.settle(
      Promise.all([
        journal.write('a.json', 'two'),
        journal.write('a.json', 'x'.repeat(100_000)),
        journal.write('b.json', 'other'),
      ]),
    );
    expect(await under.settle(under.open().read('a.json'))).toBe('x'.repeat(100_000));
    expect(await under.settle(under.open().read('b.json'))).toBe('other');
  });
});

it('JOURNAL2: a file is written beside and renamed, for root only, and nothing else stays', async () => {
  const place = join(dir, 'whole');
  const journal = fileJournal(place);
  let torn = 0;
  const writing = (async () => {
    for (let k = 0; k < 30; k += 1) await journal.write('r.json', String(k % 10).repeat(200_000));
  })();
  for (let k = 0; k < 200; k += 1) {
    const text = (await journal.read('r.json')) ?? '';
    if (text !== '' && (text.length !== 200_000 || text !== (text[0] ?? '').repeat(200_000))) torn += 1;
  }
  await writing;
  expect(torn).toBe(0);
  expect(readdirSync(place)).toEqual(['r.json']);
  expect(statSync(join(place, 'r.json')).mode & 0o077).toBe(0);
});

it('JOURNAL4: what does not lie in memory is no journal in memory', () => {
  expect(memoryJournal('/proc/1/noded.sock')).toBeNull();
});

it('JOURNAL3: a place that cannot be written is told, not thrown', async () => {
  const journal = memoryJournal(join(inMemory, 'gone', 'noded.sock'));
  rmSync(join(inMemory, 'gone'), { recursive: true });
  expect(await journal?.write('a', 'b')).toMatch(/ENOENT/);
  expect(await journal?.read('a')).toBeNull();
  writeFileSync(join(dir, 'file'), '');
  expect(await fileJournal(join(dir, 'file', 'below')).write('a', 'b')).toMatch(/ENOTDIR|EEXIST/);
});
