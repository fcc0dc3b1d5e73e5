/** The promises of environment/power.ts, on a real BMC simulator with the real ipmitool. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeProbe } from '../../src/core/verification.ts';
import { Ipmitool, ownRetries } from '../../src/real/power/ipmitool.ts';
import { IpmiSim, bmcPassword } from '../support/ipmi-sim.ts';

let bmc: IpmiSim;
const power = new Ipmitool();
beforeAll(async () => {
  bmc = await IpmiSim.start();
});
afterAll(() => bmc.stop());
beforeEach(() => bmc.setPower(true));

it('POWER1: power is told as the BMC tells it', async () => {
  expect(await power.read(bmc.reference('operator'), 3000)).toMatchObject({ power: 'on', fault: null });
  bmc.setPower(false);
  expect(await power.read(bmc.reference('operator'), 3000)).toMatchObject({ power: 'off', fault: null });
});

it('POWER3: an order is carried out, and only the reading says so', async () => {
  expect(await power.order(bmc.reference('operator'), 'off', 3000)).toMatchObject({ accepted: true });
  expect((await power.read(bmc.reference('operator'), 3000)).power).toBe('off');
  expect(await power.order(bmc.reference('operator'), 'on', 3000)).toMatchObject({ accepted: true });
  expect((await power.read(bmc.reference('operator'), 3000)).power).toBe('on');
});

it('the verifier tells wrong password, unknown user, wrong cipher, too low a privilege and no answer from each other', async () => {
  const faultOf = async (username: string, more = {}) =>
    judgeProbe(await new Ipmitool().probe(bmc.reference(username, more), 6000), null);
  expect(await faultOf('operator')).toMatchObject({ canFence: true });
  expect(await faultOf('administrator')).toMatchObject({ canFence: true });
  expect(await faultOf('operator', { password: 'wrong' })).toMatchObject({
    canFence: false,
    fault: 'wrong-credentials',
  });
  expect(await faultOf('nobody')).toMatchObject({ canFence: false, fault: 'wrong-credentials' });
  expect(await faultOf('operator', { cipherSuites: [17] })).toMatchObject({ canFence: false, fault: 'cipher-refused' });
  const viewer = await faultOf('viewer');
  expect(viewer).toMatchObject({ canFence: false, fault: 'privilege-too-low' });
  expect(viewer.because).toMatch(/has the level USER, power control needs OPERATOR/);
  expect(await faultOf('operator', { port: 1 })).toMatchObject({ canFence: false, fault: 'no-answer' });
  expect(await faultOf('operator', { address: 'no.such.host.invalid' })).toMatchObject({
    canFence: false,
    fault: 'no-answer',
  });
});

it('ipmitool gives up before our deadline ends it, so that it can say why', () => {
  for (const deadlineMs of [1000, 2500, 3000, 5000, 6000, 6500, 10_000, 60_000]) {
    const { seconds, retries } = ownRetries(deadlineMs);
    expect(seconds).toBeGreaterThanOrEqual(1);
    if (deadlineMs >= 2500) expect(seconds * retries * (retries + 1) * 1000).toBeLessThanOrEqual(deadlineMs - 500);
  }
});

it('POWER5: probing and reading change nothing', async () => {
  const before = bmc.orders().length;
  for (const user of ['operator', 'viewer', 'nobody']) await power.probe(bmc.reference(user), 6000);
  expect(bmc.orders().length).toBe(before);
});

it('the BMC of another machine is found by its GUID', async () => {
  const probe = await power.probe(bmc.reference('operator'), 6000);
  expect(probe.guid).not.toBeNull();
  expect(judgeProbe(probe, probe.guid)).toMatchObject({ canFence: true });
  expect(judgeProbe(probe, '00112233-4455-6677-8899-aabbccddeeff')).toMatchObject({
    canFence: false,
    fault: 'other-machine',
  });
});

describe('an ipmitool that misbehaves', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nk-tool-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const tool = (name: string, body: string): Ipmitool => {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
    return new Ipmitool(file);
  };

  it('POWER2, S7: one that hangs and ignores SIGTERM ends within its deadline', async () => {
    const startMs = performance.now();
    const reading = await tool('hang', 'trap "" TERM; sleep 60 & wait; sleep 60').read(bmc.reference('operator'), 600);
    expect(performance.now() - startMs).toBeLessThan(1600);
    expect(reading).toMatchObject({ power: 'unknown', fault: 'timeout' });
  });

  it('POWER1: nonsense is quoted, and is never off', async () => {
    const reading = await tool('nonsense', 'echo "Chassis Power is perhaps"').read(bmc.reference('operator'), 2000);
    expect(reading).toMatchObject({ power: 'unknown', fault: 'nonsense' });
    expect(reading.because).toContain('Chassis Power is perhaps');
  });

  it('a missing ipmitool is named', async () => {
    expect(await new Ipmitool('/no/such/ipmitool').read(bmc.reference('operator'), 2000)).toMatchObject({
      power: 'unknown',
      fault: 'tool-missing',
    });
  });

  it('POWER4: no argument and no error carries the password, even when the tool prints it', async () => {
    const echoing = tool('echo', 'echo "args: $*" >&2; echo "password was $IPMI_PASSWORD" >&2; exit 1');
    const probe = await echoing.probe(bmc.reference('operator'), 2000);
    const reading = await echoing.read(bmc.reference('operator'), 2000);
    expect(JSON.stringify([probe, reading])).not.toContain(bmcPassword);
    expect(JSON.stringify(probe)).toContain('args:');
  });
});
