/** What a coordinator remembers of the role, against a store that was set back (decision 0008). */
import type { Context } from '../../src/agent/context.ts';
import { newBoard } from '../../src/agent/context.ts';
import { LivesBefore } from '../../src/agent/lives-before.ts';
import { EpochMemory } from '../../src/agent/primary/epoch-memory.ts';
import type { FenceState } from '../../src/core/fencing.ts';
import { noFence } from '../../src/records/fence.ts';
import { Keepalive } from '../../src/records/keepalive.ts';
import type { PrimaryRecord } from '../../src/records/primary.ts';
import { noPrimary } from '../../src/records/primary.ts';
import { printRecord } from '../../src/records/record.ts';

const afterAllLeases = 60_000;
const keepalives = new Map<string, string>();
const disk = new Map<string, string>();
const beat = (node: string, incarnation: string, sequence: number, coordinatorState = 'secondary') =>
  keepalives.set(
    `/nodes/${node}/keepalive`,
    printRecord(
      Keepalive.parse({
        schema: 1,
        incarnation,
        sequence,
        state: 'run',
        coordinatorState,
        ineligible: null,
        intervalMs: 1000,
        shutdownMs: 0,
        wallMs: 0,
        subsystems: {},
        peers: {},
        steppedDown: null,
      }),
    ),
  );
/** A memory of node1, on its disk. */
async function memoryOf(livesBefore = new LivesBefore()): Promise<EpochMemory> {
  const context = {
    self: { name: 'node1' },
    board: { ...newBoard('coordinator'), witnessesAsked: true, livesBefore },
    config: { timing: { leaseMs: 1300, stopBoundMs: 1000 } },
    history: { happened: () => undefined },
    env: {
      clock: { monotonicMs: () => 0 },
      journal: {
        read: (file: string) => Promise.resolve(disk.get(file) ?? null),
        write: (file: string, text: string) => Promise.resolve(void disk.set(file, text)),
      },
      store: {
        read: (path: string) =>
          Promise.resolve(keepalives.has(path) ? { ok: true, text: keepalives.get(path) } : { ok: false }),
      },
    },
  } as unknown as Context;
  const memory = new EpochMemory(context, { all: () => [] });
  await memory.load();
  return memory;
}
const held = (holder: string, incarnation: string, epoch: number): PrimaryRecord => ({
  ...noPrimary,
  state: 'primary',
  holder,
  incarnation,
  epoch,
});
beforeEach(() => {
  keepalives.clear();
  disk.clear();
});

it('S1: of an older epoch is believed only what another life of the last holder proves by beating', async () => {
  const memory = await memoryOf();
  memory.see(held('node2', 'life1', 7));
  expect(await memory.distrust(0, afterAllLeases)).toMatch(
    /node2 held the role last and has not said that it runs nothing of it/,
  );
  beat('node2', 'life1', 50, 'primary'); // the very life that held it
  beat('node2', 'life1', 51, 'deposed');
  expect(await memory.distrust(0, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
  beat('node2', 'life0', 9); // as an old copy has it: it stands still
  for (let look = 0; look < 3; look += 1)
    expect(await memory.distrust(0, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
  beat('node2', 'life2', 1);
  expect(await memory.distrust(0, 100)).toMatch(/before every old lease has ended/);
  expect(await memory.distrust(0, afterAllLeases)).toBeNull();
  expect(memory.next(0)).toBe(8);
});

it('S1: what proved something of one holder proves nothing of the next one, when the store is set back again', async () => {
  const memory = await memoryOf();
  memory.see(held('node2', 'life1', 7));
  beat('node2', 'life2', 1);
  await memory.distrust(0, afterAllLeases);
  memory.see(held('node3', 'life5', 8));
  beat('node3', 'life4', 9); // from an old copy
  for (let look = 0; look < 3; look += 1)
    expect(await memory.distrust(2, afterAllLeases)).toMatch(/node3 held the role last/);
});

it('S1: the life that held it may say that it is a secondary: once may be of the copy, twice is now', async () => {
  const memory = await memoryOf();
  memory.see(held('node2', 'life1', 7));
  beat('node2', 'life1', 40); // of the copy: it was a secondary before it held the role
  for (let look = 0; look < 3; look += 1)
    expect(await memory.distrust(2, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
  beat('node2', 'life1', 71);
  expect(await memory.distrust(2, 100)).toMatch(/before every old lease has ended/);
  expect(await memory.distrust(2, afterAllLeases)).toBeNull();
});

it('S1: a record that the life that held it is off stays true, in whatever copy it stands; of another life it says nothing', async () => {
  const memory = await memoryOf();
  memory.see(held('node2', 'life1', 7));
  const fence = (incarnation: string, state: FenceState) =>
    keepalives.set('/fencing/node2', printRecord({ ...noFence('node2'), incarnation, state }));
  fence('life0', 'finished');
  expect(await memory.distrust(2, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
  fence('life1', 'intent');
  expect(await memory.distrust(2, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
  fence('life1', 'fenced');
  expect(await memory.distrust(2, afterAllLeases)).toBeNull();
});

it('it outlives noded, and a role that was let go in good order needs no proof', async () => {
  const memory = await memoryOf();
  memory.see(held('node2', 'life1', 7));
  await Promise.resolve();
  const next = await memoryOf();
  expect(next.highest).toBe(7);
  expect(await next.distrust(3, afterAllLeases)).toMatch(/node2 held the role last/);
  next.see({ ...noPrimary, epoch: 7 });
  expect(await next.distrust(3, afterAllLeases)).toBeNull();
  expect(await next.distrust(7, 0)).toBeNull(); // not set back at all
});

it('S1: a fence of the copy is about an older life than the last holder, whatever life the others tell; one since then is about the machine', async () => {
  const lives = new LivesBefore();
  const memory = await memoryOf(lives);
  memory.see(held('node2', 'life2', 7));
  lives.setBack([{ name: 'node2', incarnation: 'life1', stoppedAt: null }]);
  keepalives.set('/fencing/node2', printRecord({ ...noFence('node2'), incarnation: 'life1', state: 'finished' }));
  expect(await memory.distrust(2, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
  lives.off('node2', 'life1');
  expect(await memory.distrust(2, afterAllLeases)).toBeNull();
  // Restored once more: what was recorded before that is of a copy again.
  lives.setBack([]);
  expect(await memory.distrust(2, afterAllLeases)).toMatch(/has not said that it runs nothing of it/);
});
