/** A machine in the simulator: power, boot, and the life of its noded (restarted after a crash, as systemd does). */
import type { Guest } from '../core/vm.ts';
import type { VirtualTime } from './clock.ts';
import { SimProcess } from './process.ts';

export interface SimMachineOptions {
  readonly name: string;
  /** Which hardware it is; default: that of its name. */
  readonly hardware?: string;
  readonly time: VirtualTime;
  readonly bootMs: number;
  readonly restartMs: number;
  /** How fast its monotonic clock runs; 1 is right. */
  readonly clockRate?: number;
  /** Starts a noded in this process; resolves when its life ends by itself. */
  readonly start: (machine: SimMachine, process: SimProcess) => Promise<void>;
  readonly onPower: (machine: SimMachine, power: 'on' | 'off') => void;
}

export class SimMachine {
  readonly name: string;
  readonly hardware: string;
  power: 'on' | 'off' = 'off';
  process: SimProcess | null = null;
  boots = 0;
  /** What runs here of the primary's resources: beside noded, and only as long as there is power. */
  readonly running = new Set<string>();
  /** The cgroups of commands of `nodectl primary run`, and the processes that guard them. */
  readonly cgroups = new Set<string>();
  readonly guards = new Map<string, SimProcess>();
  /** Guests of its libvirt, by UUID: they end with the power. */
  readonly guests = new Map<string, Guest>();
  /** Guests that its libvirt copies to another machine, whatever becomes of noded; called, it is called off. */
  readonly copying = new Map<string, () => void>();
  /** The disk: noded's small files. */
  readonly disk = new Map<string, string>();
  /** A file system in memory: it ends with the power. */
  readonly memory = new Map<string, string>();
  /** When the watchdog was fed last; null: it is not armed. */
  watchdogFedMs: number | null = null;
  /** By how much its wall clock is wrong; it stays so through reboots. */
  private wallSkewMs = 0;
  /** Set by an operator's `stop`: systemd does not restart it. */
  stoppedOnPurpose = false;
  private readonly options: SimMachineOptions;

  constructor(options: SimMachineOptions) {
    this.options = options;
    this.name = options.name;
    this.hardware = options.hardware ?? options.name;
  }

  powerOn(): void {
    if (this.power === 'on') return;
    this.power = 'on';
    this.boots += 1;
    this.stoppedOnPurpose = false;
    this.options.onPower(this, 'on');
    const boot = this.boots;
    this.options.time.after(this.options.bootMs, () => {
      if (this.power === 'on' && this.boots === boot) this.startNoded();
    });
  }

  powerOff(): void {
    if (this.power === 'off') return;
    this.power = 'off';
    this.running.clear();
    this.guests.clear();
    this.copying.clear();
    this.memory.clear();
    this.cgroups.clear();
    for (const guard of this.guards.values()) guard.die();
    this.guards.clear();
    this.watchdogFedMs = null;
    this.process?.die();
    this.process = null;
    this.options.onPower(this, 'off');
  }

  /** `systemctl reboot --force --force`, or a watchdog: power is lost, and comes back. */
  reset(): void {
    this.powerOff();
    this.options.time.after(1000, () => this.powerOn());
  }

  /** Something on this machine, beside noded; it does not happen if the power goes before. */
  later(ms: number, act: () => void): void {
    const boot = this.boots;
    this.options.time.after(ms, () => {
      if (this.power === 'on' && this.boots === boot) act();
    });
  }

  /** Its wall clock is set, by hand or by a bad time server. */
  setWallSkew(ms: number): void {
    this.wallSkewMs = ms;
    if (this.process !== null) this.process.wallSkewMs = ms;
  }

  /** SIGKILL to noded; systemd starts it again. */
  killNoded(): void {
    this.process?.die();
    this.process = null;
    this.restartLater();
  }

  /** `systemctl start noded`. */
  startNoded(): void {
    if (this.power === 'off' || this.process !== null) return;
    this.stoppedOnPurpose = false;
    const process = new SimProcess(this.options.time, this.options.clockRate);
    process.wallSkewMs = this.wallSkewMs;
    this.process = process;
    void this.options.start(this, process).then(() => {
      if (!process.alive) return;
      process.die();
      this.process = null;
      this.restartLater();
    });
  }

  private restartLater(): void {
    const boot = this.boots;
    this.options.time.after(this.options.restartMs, () => {
      if (this.power === 'on' && this.boots === boot && !this.stoppedOnPurpose) this.startNoded();
    });
  }
}
