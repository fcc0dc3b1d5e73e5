/** The promises of environment/power.ts on both sides of the seam, and what only the real one can meet. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeProbe } from '../../src/core/verification.ts';
import { Ipmitool, ownRetries } from '../../src/real/power/ipmitool.ts';
import { SimPower } from '../../src/sim/bmc.ts';
import type { BmcMode, SimBmc } from '../../src/sim/bmc.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimMachine } from '../../src/sim/machine.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { IpmiSim, bmcPassword } from '../support/ipmi-sim.ts';
import { settleIn } from '../support/virtual.ts';
import type { BmcCondition } from './power.suite.ts';
import { powerCompliance } from './power.suite.ts';

powerCompliance('in the simulator', () => {
  const time = new VirtualTime();
  const machine = new SimMachine({
    name: 'victim',
    time,
    bootMs: 1000,
    restartMs: 1000,
    start: () => Promise.resolve(),
    onPower: () => undefined,
  });
  const modes: Readonly<Record<BmcCondition, BmcMode>> = {
    sound: 'ok',
    viewer: 'user-level',
    'wrong-password': 'badpass',
    away: 'down',
    nonsense: 'nonsense',
  };
  const bmcs = new Map<string, SimBmc>();
  for (const [condition, mode] of Object.entries(modes))
    bmcs.set(condition, {
      address: condition,
      machine,
      outlet: null,
      mode,
      slowMs: 0,
      restartUntilMs: -Infinity,
      firstAskedMs: null,
      leadsTo: null,
      orders: [],
      probes: [],
    });
  const process = new SimProcess(time);
  return Promise.resolve({
    power: new SimPower({
      process,
      random: new SeededRandom(3),
      self: 'fencer',
      bmcs,
      reaches: () => true,
      worldMs: () => time.nowMs,
    }),
    reference: (condition) => ({
      kind: 'ipmi',
      name: 'ipmi',
      delayMs: 0,
      retries: 3,
      address: condition,
      port: 623,
      username: 'nodekeeper',
      password: 'secret',
      cipherSuites: [3],
      privilege: 'operator',
      commandTimeoutMs: 3000,
    }),
    setPower: (power) => (power === 'on' ? machine.powerOn() : machine.powerOff()),
    ordersArrived: () => [...bmcs.values()].reduce((sum, bmc) => sum + bmc.orders.length, 0),
    settle: settleIn(time),
    nowMs: () => time.nowMs,
  });
});

describe('on a BMC simulator, by ipmitool', () => {
  let bmc: IpmiSim;
  const dir = mkdtempSync(join(tmpdir(), 'nk-tool-'));
  beforeAll(async () => {
    bmc = await IpmiSim.start();
  });
  afterAll(() => {
    bmc.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(() => bmc.setPower(true));
  const tool = (name: string, body: string): Ipmitool => {
    const file = join(dir, name);
    writeFileSync(file, `#!/bin/sh\n${body}\n`);
    chmodSync(file, 0o755);
    return new Ipmitool(file);
  };

  powerCompliance('ipmi_sim', () =>
    Promise.resolve({
      // The real tool, but for one address at which a broken BMC prints nonsense.
      power: tool(
        'or-nonsense',
        'case "$*" in *nonsense.invalid*) echo "Chassis Power is perhaps" ;; *) exec ipmitool "$@" ;; esac',
      ),
      reference: (condition: BmcCondition) => {
        if (condition === 'viewer') return bmc.reference('viewer');
        return bmc.reference('operator', {
          ...(condition === 'away' ? { port: 1 } : {}),
          ...(condition === 'wrong-password' ? { password: 'wrong' } : {}),
          ...(condition === 'nonsense' ? { address: 'nonsense.invalid' } : {}),
        });
      },
      setPower: (power) => bmc.setPower(power === 'on'),
      ordersArrived: () => bmc.orders().length,
      settle: (work) => work,
      nowMs: () => performance.now(),
    }),
  );

  it('the verifier tells unknown user, wrong cipher and an unknown host name from each other', async () => {
    const faultOf = async (username: string, more = {}) =>
      judgeProbe(await new Ipmitool().probe(bmc.reference(username, more), 6000), null);
    expect(await faultOf('administrator')).toMatchObject({ canFence: true });
    expect(await faultOf('nobody')).toMatchObject({ canFence: false, fault: 'wrong-credentials' });
    expect(await faultOf('operator', { cipherSuites: [17] })).toMatchObject({
      canFence: false,
      fault: 'cipher-refused',
    });
    const viewer = await faultOf('viewer');
    expect(viewer.because).toMatch(/has the level USER, power control needs OPERATOR/);
    expect(await faultOf('operator', { address: 'no.such.host.invalid' })).toMatchObject({
      canFence: false,
      fault: 'no-answer',
    });
  });

  it('a BMC that is late with power is waited for from its second answer on, though it says at once whose it is', async () => {
    const slow = bmc.reference('operator', { cipherSuites: [3], commandTimeoutMs: 3000 });
    const power = new Ipmitool();
    bmc.setSlow(1400);
    await power.read(slow, 3000);
    for (const round of [1, 2, 3]) {
      const { fault } = await power.identify(slow, 3000);
      const reading = await power.read(slow, 3000);
      expect({ round, fault, power: reading.power }).toEqual({ round, fault: null, power: 'on' });
    }
    expect(await power.order(slow, 'off', 3000)).toMatchObject({ accepted: true });
    bmc.setSlow(0);
  }, 30_000);

  it('POWER6: a probe that is called off sends no further command', async () => {
    const said = join(dir, 'said');
    const counting = tool('counting', `echo "$*" >> ${said}; echo "Chassis Power is on"`);
    let isCalledOff = false;
    await counting.probe(bmc.reference('operator'), 6000, () => isCalledOff);
    expect(
      readFileSync(said, 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    ).toHaveLength(3);
    isCalledOff = true;
    await counting.probe(bmc.reference('operator'), 6000, () => isCalledOff);
    expect(
      readFileSync(said, 'utf8')
        .split('\n')
        .filter((line) => line !== ''),
    ).toHaveLength(4);
  });

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

it('ipmitool gives up before our deadline ends it, so that it can say why', () => {
  for (const deadlineMs of [1000, 2500, 3000, 5000, 6000, 6500, 10_000, 60_000]) {
    const { seconds, retries } = ownRetries(deadlineMs);
    expect(seconds).toBeGreaterThanOrEqual(1);
    if (deadlineMs >= 2500) expect(seconds * retries * (retries + 1) * 1000).toBeLessThanOrEqual(deadlineMs - 500);
  }
});
