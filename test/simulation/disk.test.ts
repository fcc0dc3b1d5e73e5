/** S7: the agent's disk (agent/disk.ts) over one that hangs. */
import { Disk, diskDeadlineMs } from '../../src/agent/disk.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { simJournal } from '../../src/sim/journal.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { settleIn } from '../support/virtual.ts';

function hungDisk() {
  const time = new VirtualTime();
  const process = new SimProcess(time);
  const files = new Map<string, string>();
  const told: (string | null)[] = [];
  const state = { hangs: false };
  const disk = new Disk(
    simJournal(files, process, () => state.hangs),
    process,
    (trouble) => told.push(trouble),
  );
  return { time, files, told, state, disk, settle: settleIn(time) };
}

it('S7: a write to a disk that hangs ends in time, the next at once, and both say so', async () => {
  const { time, disk, state, told, settle } = hungDisk();
  state.hangs = true;
  expect(await settle(disk.write('a', '1'))).toMatch(/the disk does not answer: a was not written within 3 s/);
  expect(time.nowMs).toBeLessThanOrEqual(diskDeadlineMs + 1);
  const beforeMs = time.nowMs;
  expect(await settle(disk.write('b', '1'))).toMatch(/does not answer/);
  expect(time.nowMs - beforeMs).toBeLessThan(10);
  expect(await settle(disk.read('a'))).toBeNull();
  expect(told).toHaveLength(1);
});

it('S7: of 100 reads of a file that hangs one is under way; a read after a write tells of it', async () => {
  const { time, disk, state, files, settle } = hungDisk();
  state.hangs = true;
  files.set('a', 'old');
  let reads = 0;
  const get = files.get.bind(files);
  files.get = (name) => {
    reads += 1;
    return get(name);
  };
  for (let count = 0; count < 100; count += 1) expect(await settle(disk.read('a'))).toBeNull();
  const written = disk.write('a', 'new');
  state.hangs = false;
  await time.runUntil(time.nowMs + 1000);
  await settle(written);
  expect(reads).toBe(1);
  expect(await settle(disk.read('a'))).toBe('new');
});

it('S7: when it answers again it has the newest text, and of 100,000 writes two were kept', async () => {
  const { time, disk, state, told, files, settle } = hungDisk();
  state.hangs = true;
  await settle(disk.write('a', 'first'));
  for (let count = 0; count < 100_000; count += 1) void disk.write('a', `text ${count}`);
  state.hangs = false;
  await time.runUntil(time.nowMs + 1000);
  expect(files.get('a')).toBe('text 99999');
  expect(told).toEqual([expect.stringContaining('does not answer'), null]);
  expect(await settle(disk.write('a', 'again'))).toBeNull();
});
