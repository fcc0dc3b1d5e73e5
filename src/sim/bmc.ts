/** BMCs in the simulator, with the faults of the lab, and `Power` over them. */
import type { Power, PowerAnswer, PowerReading } from '../environment/power.ts';
import type { BmcFault, BmcProbe } from '../core/verification.ts';
import { bmcFaults } from '../core/verification.ts';
import type { BmcReference } from '../records/registration.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

/** ok · no answer · refuses the password · USER level · takes the order and stays on · says off while on · garbage */
export type BmcMode = 'ok' | 'down' | 'badpass' | 'user-level' | 'stuck' | 'lies-off' | 'nonsense';

export interface SimBmc {
  readonly address: string;
  readonly machine: SimMachine;
  mode: BmcMode;
  /** Added to each answer. */
  slowMs: number;
  /** For the checkers: every order that arrived. */
  readonly orders: { readonly atMs: number; readonly power: 'on' | 'off'; readonly by: string }[];
}

export interface SimPowerOptions {
  readonly process: SimProcess;
  readonly random: SeededRandom;
  readonly self: string;
  readonly bmcs: ReadonlyMap<string, SimBmc>;
  readonly reaches: () => boolean;
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

  async read(reference: BmcReference, deadlineMs: number): Promise<PowerReading> {
    const { bmc, fault, tookMs } = await this.talk(reference, deadlineMs);
    if (bmc === null) return { power: 'unknown', fault, because: fault === null ? '' : bmcFaults[fault], tookMs };
    const power = bmc.mode === 'lies-off' ? 'off' : bmc.machine.power;
    return { power, fault: null, because: `Chassis Power is ${power}`, tookMs };
  }

  async order(reference: BmcReference, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer> {
    const { bmc, fault, tookMs } = await this.talk(reference, deadlineMs);
    if (bmc === null) return { accepted: false, fault, because: fault === null ? '' : bmcFaults[fault], tookMs };
    if (bmc.mode === 'user-level') {
      return { accepted: false, fault: 'privilege-too-low', because: bmcFaults['privilege-too-low'], tookMs };
    }
    bmc.orders.push({ atMs: this.options.process.monotonicMs(), power, by: this.options.self });
    if (bmc.mode === 'ok') {
      if (power === 'off') bmc.machine.powerOff();
      else bmc.machine.powerOn();
    }
    return {
      accepted: true,
      fault: null,
      because: `Chassis Power Control: ${power === 'off' ? 'Down/Off' : 'Up/On'}`,
      tookMs,
    };
  }

  async probe(reference: BmcReference, deadlineMs: number): Promise<BmcProbe> {
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
    const guid = `guid-${bmc.machine.name}`;
    return { checks: proved, fault: tooLow, detail: '', power: bmc.machine.power, cipherSuite: 3, guid, tookMs };
  }

  private async talk(reference: BmcReference, deadlineMs: number): Promise<Answered> {
    const { process, random, bmcs, reaches } = this.options;
    const startMs = process.monotonicMs();
    const bmc = bmcs.get(reference.address);
    const answer = (fault: BmcFault | null): Answered => ({
      bmc: fault === null ? (bmc ?? null) : null,
      fault,
      tookMs: process.monotonicMs() - startMs,
    });
    if (bmc === undefined || bmc.mode === 'down' || !reaches()) {
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
