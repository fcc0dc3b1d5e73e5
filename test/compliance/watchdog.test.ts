/** The promises of environment/watchdog.ts, in the simulator and on the device's contract (a FIFO plays the device). */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deviceWatchdog } from '../../src/real/watchdog.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimMachine } from '../../src/sim/machine.ts';
import { SimProcess } from '../../src/sim/process.ts';
import type { WatchdogKind } from '../../src/sim/watchdog.ts';
import { simWatchdog } from '../../src/sim/watchdog.ts';

describe('in the simulator', () => {
  const set = () => {
    const time = new VirtualTime();
    const machine = new SimMachine({
      name: 'node1',
      time,
      bootMs: 60_000,
      restartMs: 1000,
      start: () => new Promise(() => undefined),
      onPower: () => undefined,
    });
    machine.powerOn();
    const process = new SimProcess(time);
    let resets = 0;
    let kind: WatchdogKind = {};
    const options = {
      machine,
      process,
      time,
      timeoutMs: 4000,
      exists: () => true,
      kind: () => kind,
      onReset: () => (resets += 1),
    };
    return {
      time,
      process,
      resets: () => resets,
      watchdog: simWatchdog(options),
      none: simWatchdog({ ...options, exists: () => false }),
      made: (how: WatchdogKind) => simWatchdog({ ...options, kind: () => (kind = how) }),
      machine,
    };
  };

  it('WATCHDOG1, WATCHDOG3: not fed for its timeout it resets the machine, also when the process has died', async () => {
    const { time, process, resets, watchdog } = set();
    expect(await watchdog.arm()).toMatchObject({ armed: true, timeoutMs: 4000, sleep: { covered: true } });
    for (let fed = 0; fed < 5; fed += 1) {
      await time.runUntil(time.nowMs + 3900);
      watchdog.feed();
    }
    expect(resets()).toBe(0);
    process.die();
    await time.runUntil(time.nowMs + 1000);
    watchdog.feed(); // the dead feed nothing
    await time.runUntil(time.nowMs + 3100);
    expect(resets()).toBe(1);
  });

  it('WATCHDOG3: disarmed it resets nothing; WATCHDOG4: what is not there is not armed', async () => {
    const { time, resets, watchdog, none } = set();
    expect((await none.arm()).armed).toBe(false);
    await watchdog.arm();
    expect(await watchdog.disarm()).toBeNull();
    watchdog.feed();
    await time.runUntil(time.nowMs + 60_000);
    expect(resets()).toBe(0);
  });

  it('WATCHDOG4: it counts what its device counts, whatever was asked for', async () => {
    const { time, resets, made } = set();
    expect(await made({ countsMs: 9000 }).arm()).toMatchObject({ armed: true, timeoutMs: 9000 });
    await time.runUntil(time.nowMs + 8900);
    expect(resets()).toBe(0);
    await time.runUntil(time.nowMs + 200);
    expect(resets()).toBe(1);
  });

  it.each([
    ['counts on', {}, true, 1],
    ['stands still', { standsStill: true }, false, 0],
  ] as const)(
    'WATCHDOG1: while the machine sleeps one that %s has reset it, or not',
    async (_, how, covered, after) => {
      const { time, resets, made, machine } = set();
      machine.startNoded();
      await time.runUntil(time.nowMs + 1);
      expect(await made(how).arm()).toMatchObject({ armed: true, sleep: { covered } });
      machine.process?.suspend();
      await time.runUntil(time.nowMs + 60_000);
      expect(resets()).toBe(after);
      machine.process?.resume();
      await time.runUntil(time.nowMs + 4100);
      expect(resets()).toBe(1); // awake again it counts on from where it stood
    },
  );
});

describe('the device', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-watchdog-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const fifo = (name: string) => {
    const path = join(dir, name);
    execFileSync('mkfifo', [path]);
    return path;
  };
  const sysfsWith = (name: string, files: Record<string, string>) => {
    const root = mkdtempSync(join(dir, 'sys-'));
    mkdirSync(join(root, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(root, name, file), text);
    return root;
  };
  const readAll = (descriptor: number) => {
    const buffer = Buffer.alloc(100);
    try {
      return buffer.subarray(0, readSync(descriptor, buffer)).toString('latin1');
    } catch {
      return ''; // nothing there (EAGAIN)
    }
  };

  it('WATCHDOG1, WATCHDOG3: a byte arms and feeds it, a V disarms it, and nothing else writes one', async () => {
    const device = fifo('one');
    const reader = openSync(device, constants.O_RDWR | constants.O_NONBLOCK);
    const watchdog = deviceWatchdog({ device, timeoutMs: 10_000 });
    watchdog.feed();
    expect(readAll(reader)).toBe(''); // not armed, not fed
    expect(await watchdog.arm()).toMatchObject({ armed: true, timeoutMs: 10_000 });
    watchdog.feed();
    watchdog.feed();
    expect(readAll(reader)).toBe('\0\0\0');
    expect(await watchdog.disarm()).toBeNull();
    watchdog.feed();
    expect(readAll(reader)).toBe('V');
    closeSync(reader);
  });

  it('WATCHDOG2: a reader that does not follow holds nobody up', async () => {
    const device = fifo('stuck');
    const reader = openSync(device, constants.O_RDWR | constants.O_NONBLOCK);
    const watchdog = deviceWatchdog({ device, timeoutMs: 10_000 });
    await watchdog.arm();
    const startMs = performance.now();
    for (let fed = 0; fed < 100_000; fed += 1) watchdog.feed(); // more than the pipe holds
    expect(performance.now() - startMs).toBeLessThan(5000);
    closeSync(reader);
    watchdog.feed(); // nobody reads any more: no signal, no exception
  });

  it.each([
    ['nothing there', () => join(dir, 'none'), /does not exist, or is no watchdog/],
    ['a file', () => (writeFileSync(join(dir, 'file'), ''), join(dir, 'file')), /does not exist, or is no watchdog/],
    ['a FIFO that nobody reads', () => fifo('deaf'), /could not be opened/],
  ] as const)('WATCHDOG4: %s is not called armed', async (_what, make, because) => {
    const armed = await deviceWatchdog({ device: make(), timeoutMs: 10_000 }).arm();
    expect(armed).toMatchObject({ armed: false, because: expect.stringMatching(because) as string });
  });

  it('WATCHDOG4: the timeout is what the kernel tells; what it does not tell is not relied upon', async () => {
    const untold = deviceWatchdog({ device: '/dev/null', timeoutMs: 10_000, sysfs: join(dir, 'nowhere') });
    expect(await untold.arm()).toMatchObject({
      armed: false,
      because: expect.stringMatching(/cannot be read/) as string,
    });
    const sysfs = sysfsWith('null', { timeout: '60\n', nowayout: '0\n' });
    const longer = deviceWatchdog({ device: '/dev/null', timeoutMs: 10_000, sysfs });
    expect(await longer.arm()).toMatchObject({ armed: true, timeoutMs: 60_000 });
    expect(await longer.disarm()).toBeNull();
    const stuck = deviceWatchdog({
      device: '/dev/null',
      timeoutMs: 10_000,
      sysfs: sysfsWith('null', { timeout: '10', nowayout: '1' }),
    });
    await stuck.arm();
    expect(await stuck.disarm()).toMatch(/nowayout/);
  });
});
