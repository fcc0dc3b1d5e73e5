/** What commands were promised (agent/primary/holds.ts): bounds, exclusive runs, and who ends what. */
import type { Context } from '../../src/agent/context.ts';
import { Holds } from '../../src/agent/primary/holds.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimProcess } from '../../src/sim/process.ts';

interface Made {
  readonly holds: Holds;
  readonly time: VirtualTime;
  readonly disk: Map<string, string>;
  readonly ended: string[];
  /** Cgroups that nothing ends. */
  readonly stuck: Set<string>;
}

function made(disk = new Map<string, string>()): Made {
  const time = new VirtualTime();
  const process = new SimProcess(time);
  const ended: string[] = [];
  const stuck = new Set<string>();
  const context = {
    self: { name: 'node1' },
    history: { happened: () => undefined },
    env: {
      clock: process,
      log: { error: () => undefined },
      journal: {
        read: (file: string) => Promise.resolve(disk.get(file) ?? null),
        write: (file: string, text: string) => {
          disk.set(file, text);
          return Promise.resolve(null);
        },
      },
      commands: {
        sees: (cgroup: string) => Promise.resolve(!cgroup.startsWith('/elsewhere') && !ended.includes(cgroup)),
        end: (cgroup: string) => {
          if (stuck.has(cgroup)) return Promise.resolve(`${cgroup} still holds process 7 (dd, state D)`);
          ended.push(cgroup);
          return Promise.resolve(null);
        },
      },
    },
  } as unknown as Context;
  return { holds: new Holds(context), time, disk, ended, stuck };
}
const asking = (id: string, once: string | null = null) => ({ id, cgroup: `/run-${id}`, once });

it('a question that waits in vain leaves nothing behind, 100,000 times; nor does a command that comes and goes', async () => {
  const { holds, time, disk } = made();
  for (let count = 0; count < 100_000; count += 1) {
    const waited = holds.change(10);
    await time.runUntil(time.nowMs + 11);
    await waited;
  }
  expect(holds.sizes).toEqual({ holds: 0, waiters: 0 });
  for (let count = 0; count < 1000; count += 1) {
    expect(await holds.admit(asking(`c${count}`), time.nowMs + 1000)).toBeNull();
    await holds.release(`c${count}`);
  }
  expect(holds.sizes).toEqual({ holds: 0, waiters: 0 });
  expect(disk.get('commands.json')).toBe('{"schema":1,"cgroups":[]}');
});

it('S1: the role is given away when every promise has run out and every command has ended, not before', async () => {
  const { holds, time, ended } = made();
  await holds.admit(asking('a'), 1000);
  await holds.admit(asking('b'), 3000);
  let isOver = false;
  const drained = holds.drained().finally(() => (isOver = true));
  await time.runUntil(2990);
  expect(isOver).toBe(false);
  await time.runUntil(3001);
  expect(await drained).toBeNull();
  expect(ended.sort()).toEqual(['/run-a', '/run-b']);
});

it('S1: a command that cannot be ended keeps the role here, and the reason is told', async () => {
  const { holds, time, stuck } = made();
  await holds.admit(asking('a'), 100);
  stuck.add('/run-a');
  await time.runUntil(200);
  expect(await holds.drained()).toMatch(/could not be ended: \/run-a still holds process 7/);
  expect(holds.sizes.holds).toBe(1);
  stuck.clear();
  expect(await holds.drained()).toBeNull();
});

it('a hold that is not renewed ends its command; one that is renewed does not, and an ended one cannot be renewed', async () => {
  const { holds, time, ended } = made();
  await holds.admit(asking('a'), 100);
  await holds.admit(asking('b'), 100);
  expect(holds.renew('b', 500)).toBe(true);
  await time.runUntil(200);
  expect(await holds.endLapsed()).toBeNull();
  expect(ended).toEqual(['/run-a']);
  expect(holds.renew('a', 500)).toBe(false);
  expect(holds.renew('b', 500)).toBe(true);
});

it('of one "once" a second command is refused while the first lives; what noded does not see is refused too', async () => {
  const { holds, time } = made();
  expect(await holds.admit(asking('a', 'boot'), 60_000)).toBeNull();
  await time.runUntil(14_000);
  expect(await holds.admit(asking('b', 'boot'), 60_000)).toBe('"boot" runs on this machine since 14 s');
  expect(await holds.admit(asking('c', 'other'), 60_000)).toBeNull();
  expect(await holds.admit({ id: 'd', cgroup: '/elsewhere/x', once: null }, 60_000)).toMatch(/does not see the cgroup/);
  await holds.release('a');
  expect(await holds.admit(asking('e', 'boot'), 60_000)).toBeNull();
});

it('the 201st command is refused', async () => {
  const { holds } = made();
  for (let count = 0; count < 200; count += 1) expect(await holds.admit(asking(`c${count}`), 60_000)).toBeNull();
  expect(await holds.admit(asking('one-more'), 60_000)).toMatch(/200 commands run under the role already/);
});

it('S1: the next noded on this machine ends what the disk says was running, and tells what cannot be ended', async () => {
  const disk = new Map<string, string>();
  await made(disk).holds.admit(asking('a'), 60_000);
  const next = made(disk);
  next.stuck.add('/run-a');
  expect(await next.holds.endFormer()).toMatch(/could not be ended/);
  next.stuck.clear();
  expect(await next.holds.endFormer()).toBeNull();
  expect(next.ended).toEqual(['/run-a']);
  expect(disk.get('commands.json')).toBe('{"schema":1,"cgroups":[]}');
  expect(await made(disk).holds.endFormer()).toBeNull();
});
