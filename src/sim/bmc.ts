/**
 * BMCs and power distribution units in the simulator, with the faults of the lab, and `Power` over them. A machine that hangs
 * on outlets has power while one of them is on; its BMC dies with the last.
 */
import type { Power, PowerAnswer, PowerReading } from '../environment/power.ts';
import type { BmcFault, BmcProbe } from '../core/verification.ts';
import { bmcFaults } from '../core/verification.ts';
import type { FenceDevice } from '../records/device.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

/** ok · no answer · refuses the password · USER level · takes the order and stays on · says off while on · garbage */
export type BmcMode = 'ok' | 'down' | 'badpass' | 'user-level' | 'stuck' | 'lies-off' | 'nonsense';

export interface SimBmc {
  readonly address: string;
  readonly machine: SimMachine;
  /** An outlet of a power distribution unit; null: a BMC, which switches the machine itself. */
  readonly outlet: { on: boolean } | null;
  mode: BmcMode;
  /** Added to each answer. */
  slowMs: number;
  /** For the checkers: every order that arrived. */
  readonly orders: { readonly atMs: number; readonly power: 'on' | 'off'; readonly by: string }[];
  /** For the tests: every proof that began. */
  readonly probes: { readonly atMs: number; readonly by: string }[];
}

export interface SimPowerOptions {
  readonly process: SimProcess;
  readonly random: SeededRandom;
  readonly self: string;
  readonly bmcs: ReadonlyMap<string, SimBmc>;
  readonly reaches: () => boolean;
  /** For the checkers: an order is sent, whatever becomes of it. */
  readonly onSend?: (target: string, power: 'on' | 'off') => void;
}

interface Answered {
  readonly bmc: SimBmc | null;
  readonly fault: BmcFault | null;
  readonly tookMs: number;
}

export class SimPower implements Power {
  private readonly options: SimPowerOptions;

  constructor(options: SimPowerOptions) {
    this.options = options;
  }

  async read(reference: FenceDevice, deadlineMs: number): Promise<PowerReading> {
    const { bmc, fault, tookMs } = await this.talk(reference, deadlineMs);
    if (bmc === null) return { power: 'unknown', fault, because: fault === null ? '' : bmcFaults[fault], tookMs };
    const power = bmc.mode === 'lies-off' ? 'off' : powerOf(bmc);
    return { power, fault: null, because: `Chassis Power is ${power}`, tookMs };
  }

  async order(reference: FenceDevice, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer> {
    const target = this.options.bmcs.get(addressOf(reference))?.machine.name;
    if (target !== undefined) this.options.onSend?.(target, power);
    const { bmc, fault, tookMs } = await this.talk(reference, deadlineMs);
    if (bmc === null) return { accepted: false, fault, because: fault === null ? '' : bmcFaults[fault], tookMs };
    if (bmc.mode === 'user-level') {
      return { accepted: false, fault: 'privilege-too-low', because: bmcFaults['privilege-too-low'], tookMs };
    }
    bmc.orders.push({ atMs: this.options.process.monotonicMs(), power, by: this.options.self });
    if (bmc.mode === 'ok') {
      this.switch(bmc, power);
    }
    return {
      accepted: true,
      fault: null,
      because: `Chassis Power Control: ${power === 'off' ? 'Down/Off' : 'Up/On'}`,
      tookMs,
    };
  }

  async probe(reference: FenceDevice, deadlineMs: number): Promise<BmcProbe> {
    const { bmcs, process, self } = this.options;
    bmcs.get(addressOf(reference))?.probes.push({ atMs: process.monotonicMs(), by: self });
    const { bmc, fault, tookMs } = await this.talk(reference, deadlineMs);
    const proved = {
      address: 'proved',
      cipher: 'proved',
      password: 'proved',
      privilege: 'proved',
      power: 'proved',
      identity: 'proved',
    } as const;
    const nothing = {
      address: 'failed',
      cipher: 'unknown',
      password: 'unknown',
      privilege: 'unknown',
      power: 'unknown',
      identity: 'unknown',
    } as const;
    if (bmc === null)
      return { checks: nothing, fault, detail: '', power: 'unknown', cipherSuite: null, guid: null, tookMs };
    const tooLow = bmc.mode === 'user-level' ? ('privilege-too-low' as const) : null;
    const guid = bmc.outlet === null ? `guid-${bmc.machine.name}` : null;
    return {
      checks: proved,
      fault: tooLow,
      detail: '',
      power: bmc.mode === 'lies-off' ? 'off' : powerOf(bmc),
      cipherSuite: 3,
      guid,
      tookMs,
    };
  }

  private outletsOf(machine: SimMachine): SimBmc[] {
    return [...this.options.bmcs.values()].filter((one) => one.machine === machine && one.outlet !== null);
  }

  private switch(bmc: SimBmc, power: 'on' | 'off'): void {
    if (bmc.outlet !== null) bmc.outlet.on = power === 'on';
    const fed = bmc.outlet === null || this.outletsOf(bmc.machine).some((one) => one.outlet?.on === true);
    if (power === 'on') bmc.machine.powerOn();
    else if (bmc.outlet === null || !fed) bmc.machine.powerOff();
  }

  private async talk(reference: FenceDevice, deadlineMs: number): Promise<Answered> {
    const { process, random, bmcs, reaches } = this.options;
    const startMs = process.monotonicMs();
    const bmc = bmcs.get(addressOf(reference));
    const answer = (fault: BmcFault | null): Answered => ({
      bmc: fault === null ? (bmc ?? null) : null,
      fault,
      tookMs: process.monotonicMs() - startMs,
    });
    const outlets = bmc?.outlet === null ? this.outletsOf(bmc.machine) : [];
    const isDark = outlets.length > 0 && outlets.every((one) => one.outlet?.on === false);
    if (bmc === undefined || bmc.mode === 'down' || isDark || !reaches()) {
      await process.sleep(deadlineMs);
      return answer('no-answer');
    }
    const latencyMs = random.between(30, 60) + bmc.slowMs;
    await process.sleep(Math.min(latencyMs, deadlineMs));
    if (latencyMs > deadlineMs) return answer('timeout');
    if (bmc.mode === 'badpass') return answer('wrong-credentials');
    if (bmc.mode === 'nonsense') return answer('nonsense');
    return answer(null);
  }
}

function powerOf(bmc: SimBmc): 'on' | 'off' {
  if (bmc.outlet === null) return bmc.machine.power;
  return bmc.outlet.on ? 'on' : 'off';
}

function addressOf(device: FenceDevice): string {
  return device.kind === 'ipmi' ? device.address : (device.options['ip'] ?? '');
}
