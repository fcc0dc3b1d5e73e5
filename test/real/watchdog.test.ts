/** The agent's self-fence over the real device code: an opened watchdog is fed or closed; what may sleep publishes no bound. */
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from '../../src/agent/context.ts';
import { newBoard } from '../../src/agent/context.ts';
import { SelfFence } from '../../src/agent/self-fence.ts';
import { run } from '../../src/real/process/runner.ts';
import type { SleepFiles } from '../../src/real/sleep-cover.ts';
import { sleepCover } from '../../src/real/sleep-cover.ts';
import { deviceWatchdog } from '../../src/real/watchdog.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-watchdog-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A machine that can sleep, with these units masked. */
function machineWith(masked: readonly string[], powerState = 'freeze mem disk\n'): SleepFiles {
  const root = mkdtempSync(join(dir, 'machine-'));
  writeFileSync(join(root, 'state'), powerState);
  for (const unit of masked) symlinkSync('/dev/null', join(root, unit));
  return { powerState: join(root, 'state'), unitFolders: [join(root, 'no-such-folder'), root] };
}

/** Descriptors of this process that lead to /dev/null, which plays the device here. */
function openDevices(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/null';
    } catch {
      return false; // the one that reads the folder
    }
  }).length;
}

function selfFence(timeout: number, counted: number, sleep: SleepFiles) {
  const sysfs = mkdtempSync(join(dir, 'sys-'));
  mkdirSync(join(sysfs, 'null'));
  writeFileSync(join(sysfs, 'null', 'timeout'), `${counted}\n`);
  writeFileSync(join(sysfs, 'null', 'identity'), 'Software Watchdog\n');
  const real = deviceWatchdog({ device: '/dev/null', timeoutMs: timeout, sysfs, sleep });
  const seen = { fed: 0, told: [] as string[] };
  const feed = () => {
    seen.fed += 1;
    real.feed();
  };
  const watchdog = { ...real, feed };
  const board = newBoard('coordinator');
  const quiet = { info: () => undefined, error: () => undefined };
  const sleepFor = (ms: number, over?: AbortSignal) =>
    pause(ms, undefined, over === undefined ? {} : { signal: over }).catch(() => undefined);
  const clock = { monotonicMs: () => performance.now(), sleep: sleepFor };
  const context = {
    board,
    self: { name: 'node1' },
    config: {
      node: { watchdog: { device: '/dev/null', timeout } },
      keepalive: { interval: 5000 },
      timing: { requestTimeoutMs: 1000, stopBoundMs: 1000, watchdogBoundMs: 20_000 },
    },
    history: { happened: (_kind: string, text: string) => seen.told.push(text) },
    env: { watchdog, log: quiet, clock },
  } as unknown as Context;
  return { fence: new SelfFence(context, null), board, seen };
}

it.each([
  ['fixed at 60 s', 10_000, 60, 70_000],
  ['rounded up to even seconds', 5000, 6, 21_000],
  ['exact', 10_000, 10, 20_000],
])(
  'WATCHDOG5: a device that is %s is fed while it is open, and closed at the end',
  async (_what, asked, counts, bound) => {
    await run('true', [], { deadlineMs: 5000 }); // what the first command opens for itself does not count
    const before = openDevices();
    const { fence, board, seen } = selfFence(asked, counts, machineWith(['sleep.target']));
    await fence.arm();
    expect(openDevices()).toBe(before + 1);
    const over = new AbortController();
    const running = fence.run(over.signal);
    await pause(1100);
    over.abort();
    await running;
    expect(seen.fed).toBeGreaterThanOrEqual(4);
    expect(board).toMatchObject({ watchdogArmed: true, watchdogBoundMs: bound });
    await fence.disarm();
    expect(openDevices()).toBe(before);
  },
);

it('WATCHDOG5: one whose timeout is not told is not opened, and said', async () => {
  const before = openDevices();
  const { fence, board, seen } = selfFence(10_000, 0.5, machineWith([]));
  await fence.arm();
  expect(openDevices()).toBe(before);
  expect(board).toMatchObject({ watchdogArmed: false, watchdogBoundMs: null });
  expect(seen.told.join()).toMatch(/not armed/);
});

it('S1c: one that may stand still in sleep is fed, and publishes no bound', async () => {
  const { fence, board, seen } = selfFence(10_000, 10, machineWith([]));
  await fence.arm();
  expect(board).toMatchObject({ watchdogArmed: true, watchdogBoundMs: null });
  expect(seen.told.join()).toMatch(/Software Watchdog may stand still .*systemctl mask sleep\.target/);
  await fence.disarm();
});

const ways = ['suspend.target', 'hibernate.target', 'hybrid-sleep.target', 'suspend-then-hibernate.target'];

it.each([
  [
    'the target of all sleep is masked',
    'Software Watchdog',
    machineWith(['sleep.target']),
    true,
    /sleep.target is masked/,
  ],
  ['every way to sleep is masked', 'iTCO_wdt', machineWith(ways), true, /hybrid-sleep.target/],
  ['one way is left', 'iTCO_wdt', machineWith(ways.slice(1)), false, /iTCO_wdt may stand still/],
  ['the kernel knows no sleep', 'i6300ESB timer', machineWith([], ''), true, /kernel cannot sleep/],
  ['the BMC counts', 'IPMI', machineWith([]), true, /counts while the machine sleeps/],
  ['nothing is told', '', { powerState: join(dir, 'none'), unitFolders: [] }, false, /the watchdog may stand still/],
] as const)('S1c: %s', (_what, identity, files, covered, because) => {
  expect(sleepCover(identity, files)).toMatchObject({ covered, because: expect.stringMatching(because) as string });
});
