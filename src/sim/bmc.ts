/**
 * BMCs and power distribution units in the simulator, with the faults of the lab, and `Power` over them. A machine that hangs
 * on outlets has power while one of them is on; its BMC dies with the last.
 */
import type { Power, PowerAnswer, PowerIdentity, PowerReading } from '../environment/power.ts';
import type { BmcFault, BmcProbe } from '../core/verification.ts';
import { bmcFaults } from '../core/verification.ts';
import type { FenceDevice } from '../records/device.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

/**
 * ok · no answer · refuses the password · USER level · takes the order and stays on · says off while on and does not obey · says off
 * whatever it is, and obeys · says on whatever it is, and obeys · refuses to switch off what is off, as many do · garbage
 */
export const bmcModes = [
  'ok',
  'down',
  'badpass',
  'user-level',
  'stuck',
  'lies-off',
  'reads-off',
  'reads-on',
  'refuses-when-off',
  'nonsense',
] as const;
export type BmcMode = (typeof bmcModes)[number];

const obedient: readonly BmcMode[] = ['ok', 'reads-off', 'reads-on', 'refuses-when-off'];

/** After its own restart a BMC reads off, and refuses commands, for so long (ms). */
export const settlingMs = 60_000;

/** How long a BMC needs to say whose it is, in ms: within the time of a reading, which is asked beside it. */
const identityMs = 30;

export interface SimBmc {
  readonly address: string;
  readonly machine: SimMachine;
  /** An outlet of a power distribution unit; null: a BMC, which switches the machine itself. */
  readonly outlet: { on: boolean } | null;
  mode: BmcMode;
  /** Added to each answer. */
  slowMs: number;
  /** In the world's time: until when it does not answer because it restarts; it reads off for a minute after that. */
  restartUntilMs: number;
  /** For the checkers: when it was asked first, by anybody, since it was told to behave as it does; null: not yet. */
  firstAskedMs: number | null;
  /** Its address leads to this one: a wrong entry in the configuration, or a swapped cable. Null: to itself. */
  leadsTo: SimBmc | null;
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
  /** The world's time in ms: devices have no clock of any machine. */
  readonly worldMs: () => number;
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
    const power = this.saidBy(bmc);
    return { power, fault: null, because: `Chassis Power is ${power}`, tookMs };
  }

  async order(reference: FenceDevice, power: 'on' | 'off', deadlineMs: number): Promise<PowerAnswer> {
    const target = this.find(reference)?.machine.name;
    if (target !== undefined) this.options.onSend?.(target, power);
    const { bmc, fault, tookMs } = await this.talk(reference, deadlineMs);
    if (bmc === null)
      return { accepted: false, isOffAlready: false, fault, because: fault === null ? '' : bmcFaults[fault], tookMs };
    if (bmc.mode === 'user-level') {
      return {
        accepted: false,
        isOffAlready: false,
        fault: 'privilege-too-low',
        because: bmcFaults['privilege-too-low'],
        tookMs,
      };
    }
    if (this.isSettling(bmc) || (bmc.mode === 'refuses-when-off' && power === 'off' && powerOf(bmc) === 'off'))
      return {
        accepted: false,
        isOffAlready: power === 'off',
        fault: 'refused-now',
        because: bmcFaults['refused-now'],
        tookMs,
      };
    bmc.orders.push({ atMs: this.options.process.monotonicMs(), power, by: this.options.self });
    if (obedient.includes(bmc.mode)) {
      this.switch(bmc, power);
    }
    return {
      accepted: true,
      isOffAlready: false,
      fault: null,
      because: `Chassis Power Control: ${power === 'off' ? 'Down/Off' : 'Up/On'}`,
      tookMs,
    };
  }

  async identify(reference: FenceDevice, deadlineMs: number): Promise<PowerIdentity> {
    if (reference.kind !== 'ipmi') return { guid: null, fault: null };
    const { bmc, fault } = await this.talk(reference, deadlineMs, identityMs);
    return { guid: bmc === null ? null : guidOf(bmc), fault };
  }

  async probe(reference: FenceDevice, deadlineMs: number): Promise<BmcProbe> {
    const { process, self } = this.options;
    this.find(reference)?.probes.push({ atMs: process.monotonicMs(), by: self });
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
    return {
      checks: proved,
      fault: tooLow,
      detail: '',
      power: this.saidBy(bmc),
      cipherSuite: 3,
      guid: guidOf(bmc),
      tookMs,
    };
  }

  /** What answers at the address of this device. */
  private find(reference: FenceDevice): SimBmc | undefined {
    const there = this.options.bmcs.get(addressOf(reference));
    return there?.leadsTo ?? there;
  }

  private isSettling({ restartUntilMs }: SimBmc): boolean {
    return restartUntilMs >= 0 && this.options.worldMs() < restartUntilMs + settlingMs;
  }

  private saidBy(bmc: SimBmc): 'on' | 'off' {
    if (bmc.mode === 'lies-off' || bmc.mode === 'reads-off' || this.isSettling(bmc)) return 'off';
    return bmc.mode === 'reads-on' ? 'on' : powerOf(bmc);
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

  private async talk(reference: FenceDevice, deadlineMs: number, fixedMs?: number): Promise<Answered> {
    const { process, random, reaches, worldMs } = this.options;
    const startMs = process.monotonicMs();
    const bmc = this.find(reference);
    const answer = (fault: BmcFault | null): Answered => ({
      bmc: fault === null ? (bmc ?? null) : null,
      fault,
      tookMs: process.monotonicMs() - startMs,
    });
    if (bmc !== undefined && reaches()) bmc.firstAskedMs ??= worldMs();
    const outlets = bmc?.outlet === null ? this.outletsOf(bmc.machine) : [];
    const isDark = outlets.length > 0 && outlets.every((one) => one.outlet?.on === false);
    if (bmc === undefined || bmc.mode === 'down' || worldMs() < bmc.restartUntilMs || isDark || !reaches()) {
      await process.sleep(deadlineMs);
      return answer('no-answer');
    }
    const latencyMs = (fixedMs ?? random.between(30, 60)) + bmc.slowMs;
    await process.sleep(Math.min(latencyMs, deadlineMs));
    if (latencyMs > deadlineMs) return answer('timeout');
    if (bmc.mode === 'badpass') return answer('wrong-credentials');
    if (bmc.mode === 'nonsense') return answer('nonsense');
    return answer(null);
  }
}

function guidOf(bmc: SimBmc): string | null {
  return bmc.outlet === null ? `guid-${bmc.machine.hardware}` : null;
}

function powerOf(bmc: SimBmc): 'on' | 'off' {
  if (bmc.outlet === null) return bmc.machine.power;
  return bmc.outlet.on ? 'on' : 'off';
}

function addressOf(device: FenceDevice): string {
  return device.kind === 'ipmi' ? device.address : (device.options['ip'] ?? '');
}
