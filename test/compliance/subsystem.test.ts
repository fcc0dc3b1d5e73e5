/** The promises of environment/subsystem.ts on both sides of the seam. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import type { Subsystem } from '../../src/environment/subsystem.ts';
import { Ipmitool } from '../../src/real/power/ipmitool.ts';
import { realSubsystems } from '../../src/real/subsystems/subsystems.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { simSubsystem } from '../../src/sim/subsystem.ts';
import { settleIn } from '../support/virtual.ts';

interface SubsystemsUnderTest {
  readonly sound: Subsystem;
  readonly hanging: Subsystem;
  settle<T>(work: Promise<T>): Promise<T>;
  nowMs(): number;
}

const dir = mkdtempSync(join(tmpdir(), 'nk-subsystem-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function realOnes(): SubsystemsUnderTest {
  const hang = join(dir, 'hang');
  writeFileSync(hang, '#!/bin/sh\ntrap "" TERM\nsleep 60 &\nwait\nsleep 60\n');
  chmodSync(hang, 0o755);
  const commands = [
    { name: 'sound', command: ['true'], timeout: '800ms' },
    { name: 'hanging', command: [hang], timeout: '800ms' },
  ];
  const loaded = loadConfig(
    JSON.stringify({ cluster: { name: 'c' }, zookeeper: { servers: ['a:1'] }, subsystems: { commands } }),
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.errors));
  const made = new Map(realSubsystems(loaded.config, new Ipmitool(), null).map((one) => [one.name, one]));
  const [sound, hanging] = [made.get('sound'), made.get('hanging')];
  if (sound === undefined || hanging === undefined) throw new Error('the commands are missing');
  return { sound, hanging, settle: (work) => work, nowMs: () => performance.now() };
}

function simulatedOnes(): SubsystemsUnderTest {
  const time = new VirtualTime();
  const process = new SimProcess(time);
  return {
    sound: simSubsystem('sound', process, () => false),
    hanging: simSubsystem('hanging', process, () => true),
    settle: settleIn(time),
    nowMs: () => time.nowMs,
  };
}

describe.each([
  ['real', realOnes],
  ['simulated', simulatedOnes],
] as const)("a subsystem's promises: %s", (_side, setUp) => {
  const under = setUp();

  it('a sound one says how it is', async () => {
    const reading = await under.settle(under.sound.collect());
    expect(reading).toMatchObject({ ok: true, health: 'ok' });
  });

  it('SUBSYSTEM1, SUBSYSTEM2: one that hangs ends within its timeout plus a second, with a reason, again and again', async () => {
    for (let time = 0; time < 2; time += 1) {
      const startMs = under.nowMs();
      const reading = await under.settle(under.hanging.collect());
      expect(under.nowMs() - startMs).toBeLessThanOrEqual(under.hanging.timeoutMs + 1000);
      expect(under.nowMs() - startMs).toBeGreaterThanOrEqual(under.hanging.timeoutMs - 1);
      expect(reading).toMatchObject({ ok: false, because: expect.stringMatching(/no answer within/) as string });
    }
  });
});
