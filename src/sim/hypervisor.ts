/**
 * libvirt and its guests in the simulator: guests live on the machine, not in noded's process; they go on when noded is frozen
 * or killed, and end with the power. A live migration has its dangerous moment: the source is paused, the copy on the other
 * side waits, and who holds the guest hangs on one answer.
 */
import type { Half } from '../core/guest-list.ts';
import { guestOf, whetherGone, wholeList } from '../core/guest-list.ts';
import type { Guest } from '../core/vm.ts';
import type { Answer, Hypervisor, MigrationProgress } from '../environment/hypervisor.ts';
import type { SimMachine } from './machine.ts';
import type { SimProcess } from './process.ts';
import type { SeededRandom } from './random.ts';

/**
 * ok · answers nothing · live migration fails · guests do not start · guests do not listen when they shall shut down · connections
 * are cut: at the list of names, at the states, at a lookup (which then reads like a guest that is not known) · one of the two
 * halves of a list, or both, is empty and well (exit code 0)
 */
export const libvirtModes = [
  'ok',
  'hangs',
  'live-fails',
  'start-fails',
  'deaf',
  'no-names',
  'no-states',
  'no-lookup',
  'empty',
] as const;
export type LibvirtMode = (typeof libvirtModes)[number];

export interface LibvirtTimes {
  readonly copyMs: number;
  readonly startMs: number;
  /** The copy of a migration continues when the noded that began it is frozen or killed. */
  readonly copiesAlone: boolean;
}

export const usualTimes: LibvirtTimes = { copyMs: 600, startMs: 100, copiesAlone: false };

export interface SimHypervisorOptions {
  readonly machine: SimMachine;
  readonly process: SimProcess;
  readonly random: SeededRandom;
  readonly timeoutMs: number;
  readonly modeOf: (node: string) => LibvirtMode;
  /** How long a start and the copy of a migration take on this machine. */
  readonly times: () => LibvirtTimes;
  /** The machine at an address, if this one reaches it. */
  readonly machineAt: (address: string) => SimMachine | null;
  readonly onGuest: (machine: SimMachine, uuid: string, guest: Guest | null) => void;
}

const finishMs = 60;
/** After this libvirt drops a copy whose source is gone. */
const orphanMs = 3500;
const ok = { ok: true, value: null } as const;
const no = (because: string) => ({ ok: false, because }) as const;

export class SimHypervisor implements Hypervisor {
  private readonly options: SimHypervisorOptions;

  constructor(options: SimHypervisorOptions) {
    this.options = options;
  }

  list(): Promise<Answer<ReadonlyMap<string, Guest>>> {
    return this.ask(() => {
      const empty = this.mode() === 'empty' ? this.options.random.between(0, 3) : null;
      const all = [...this.guests];
      const names = all.map(([uuid]) => ({ uuid, name: uuid }));
      const states = all.map(([uuid, guest]) => ({ name: uuid, ...numbersOf(guest) }));
      return wholeList(
        this.half('no-names', empty === null || empty < 1 ? names : []),
        this.half('no-states', empty === null || (empty >= 1 && empty < 2) ? states : []),
      );
    });
  }

  check(_uuid: string, xml: string): Promise<Answer<null>> {
    return this.ask(() => (xml.includes('unsupported') ? no('unsupported configuration: says libvirt') : ok));
  }

  start(uuid: string): Promise<Answer<null>> {
    return this.ask(() => {
      if (this.mode() === 'start-fails') return no('internal error: process exited while connecting to monitor');
      const before = this.guests.get(uuid);
      if (before !== undefined && before.power !== 'running' && before.power !== 'off')
        return no(`it is ${before.power}`);
      if (before?.power !== 'running') this.set(uuid, { power: 'running', reason: 'booted' });
      return ok;
    }, this.options.times().startMs);
  }

  shutDown(uuid: string): Promise<Answer<null>> {
    return this.ask(() => {
      const { machine, random } = this.options;
      if (this.mode() !== 'deaf')
        machine.later(random.between(500, 3000), () => {
          if (this.guests.get(uuid)?.power === 'running') this.set(uuid, { power: 'off', reason: 'shutdown' });
        });
      return ok;
    });
  }

  switchOff(uuid: string): Promise<Answer<null>> {
    return this.ask(() => {
      if (this.isLive(uuid)) this.set(uuid, { power: 'off', reason: 'destroyed' });
      return ok;
    });
  }

  remove(uuid: string): Promise<Answer<null>> {
    return this.ask(() => {
      const here = this.lookUp(this.options.machine, uuid);
      if (!here.ok) return here;
      if (here.value === null) return ok;
      if (here.value.power !== 'off') return no(`it is ${here.value.power}`);
      if (this.isLive(uuid)) return no('it runs on, and is forgotten when it ends'); // undefined while it lives
      this.set(uuid, null);
      return ok;
    });
  }

  async migrate(
    uuid: string,
    address: string,
    onProgress: (progress: MigrationProgress) => void,
    signal: AbortSignal,
  ): Promise<Answer<null>> {
    const { process, machine, machineAt, random } = this.options;
    if (this.mode() === 'hangs') return this.silence(signal);
    const target = machineAt(address);
    if (target === null) {
      await process.sleep(Math.min(3000, this.options.timeoutMs), signal);
      return no('unable to connect to server');
    }
    // The kernel takes the connection, and nobody ever answers on it.
    while (this.options.modeOf(target.name) === 'hangs') {
      onProgress({ totalBytes: null, leftBytes: null, copiedBytes: null });
      await process.sleep(1000, signal);
      if (signal.aborted) return no('it was killed');
    }
    onProgress({ totalBytes: 1000, leftBytes: 500, copiedBytes: 500 });
    if (!(await this.copy(uuid, signal))) return no('operation aborted: migration out job: canceled by client');
    const isFine = () => machine.power === 'on' && machineAt(address) === target && target.power === 'on';
    if (!isFine() || this.mode() === 'live-fails' || this.guests.get(uuid)?.power !== 'running')
      return no('migration out job: unexpectedly failed');
    // From here on the copy is complete. What happens now happens on the machines, whatever becomes of this noded.
    this.set(uuid, { power: 'paused', reason: 'migration' });
    target.guests.set(uuid, { power: 'paused', reason: 'migration' });
    await this.finish(uuid, target, isFine);
    await process.sleep(random.between(1, 5));
    return this.guests.has(uuid) ? no('the answer of the other side was lost') : ok;
  }

  /** False: it was called off. */
  private async copy(uuid: string, signal: AbortSignal): Promise<boolean> {
    const { machine, process, times } = this.options;
    const { copyMs, copiesAlone } = times();
    if (!copiesAlone) {
      await process.sleep(copyMs, signal);
      return !signal.aborted;
    }
    return new Promise((resolve) => {
      const end = (isDone: boolean): void => {
        signal.removeEventListener('abort', callOff);
        if (machine.copying.delete(uuid)) resolve(isDone);
      };
      const callOff = (): void => end(false);
      machine.copying.set(uuid, callOff);
      signal.addEventListener('abort', callOff, { once: true });
      machine.later(copyMs, () => end(true));
    });
  }

  /**
   * The other side is told to let the copy run. A libvirt that hangs there hears of it when it hangs no more, however long ago
   * everybody else has given the migration up. Resolves when virsh would.
   */
  private finish(uuid: string, target: SimMachine, isFine: () => boolean): Promise<void> {
    const { process, machine, random, modeOf, onGuest } = this.options;
    const boot = target.boots;
    const isCopyThere = () => target.boots === boot && target.guests.get(uuid)?.power === 'paused';
    const isSent = process.alive || random.fraction() < 0.5;
    return new Promise((resolve) => {
      const arrive = (): void => {
        if (!isCopyThere()) {
          resolve();
          return;
        }
        if (modeOf(target.name) === 'hangs' && isSent) {
          target.later(200, arrive);
          return;
        }
        if (!isSent || machine.power === 'off' || !isFine()) {
          target.later(orphanMs, () => {
            if (isCopyThere()) target.guests.delete(uuid);
          });
          resolve();
          return;
        }
        target.guests.set(uuid, { power: 'running', reason: 'migrated' });
        onGuest(target, uuid, { power: 'running', reason: 'migrated' });
        // The answer comes back in time, or not at all: then this side is left paused.
        if (process.alive && modeOf(machine.name) === 'ok') this.set(uuid, null);
        resolve();
      };
      target.later(finishMs, arrive);
      void process.sleep(orphanMs).then(resolve);
    });
  }

  abortMigration(uuid: string): Promise<Answer<'none' | 'aborted'>> {
    return this.ask(() => {
      const callOff = this.options.machine.copying.get(uuid);
      callOff?.();
      return { ok: true, value: callOff === undefined ? 'none' : 'aborted' };
    });
  }

  isMigrating(uuid: string): Promise<Answer<boolean>> {
    return this.ask(() => ({ ok: true, value: this.options.machine.copying.has(uuid) }));
  }

  async guestAt(address: string | null, uuid: string): Promise<Answer<Guest | null>> {
    const { machineAt, process, modeOf } = this.options;
    if (address === null) return this.ask(() => this.lookUp(this.options.machine, uuid));
    await process.sleep(20);
    const machine = machineAt(address);
    if (machine === null || modeOf(machine.name) === 'hangs') {
      await process.sleep(Math.min(1000, this.options.timeoutMs));
      return no('unable to connect to server');
    }
    return this.lookUp(machine, uuid);
  }

  /** As virsh does it: the guest is looked up; one that is not found is looked for in the list. */
  private lookUp(machine: SimMachine, uuid: string): Answer<Guest | null> {
    const mode = this.options.modeOf(machine.name);
    const guest = mode === 'no-lookup' ? undefined : machine.guests.get(uuid);
    if (guest !== undefined) return { ok: true, value: shown(guest) };
    const uuids = mode === 'empty' ? [] : [...machine.guests.keys()];
    return whetherGone(uuid, 'failed to get domain', this.half('no-names', uuids, mode));
  }

  /** One of the requests of a list; in the mode `cut` its connection is cut. */
  private half<T>(cut: LibvirtMode, value: readonly T[], mode = this.mode()): Half<T> {
    return mode === cut ? no('End of file while reading data: Input/output error') : { ok: true, value };
  }

  private get guests(): Map<string, Guest> {
    return this.options.machine.guests;
  }

  private mode(): LibvirtMode {
    return this.options.modeOf(this.options.machine.name);
  }

  private isLive(uuid: string): boolean {
    return (this.guests.get(uuid)?.power ?? 'off') !== 'off';
  }

  private set(uuid: string, guest: Guest | null): void {
    const { machine, onGuest } = this.options;
    if (machine.power === 'off') return;
    if (guest === null) this.guests.delete(uuid);
    else this.guests.set(uuid, guest);
    onGuest(machine, uuid, guest);
  }

  private async ask<T>(answer: () => Answer<T>, tookMs = 20): Promise<Answer<T>> {
    const { process, random, timeoutMs } = this.options;
    if (this.mode() === 'hangs') {
      await process.sleep(timeoutMs);
      return no(`no answer within ${timeoutMs} ms; killed`);
    }
    await process.sleep(random.between(tookMs / 2, tookMs * 2));
    return answer();
  }

  private async silence(signal: AbortSignal): Promise<Answer<null>> {
    await this.options.process.sleep(600_000, signal);
    return no('no answer; killed');
  }
}

const stateOf = { unknown: 0, running: 1, paused: 3, off: 5, crashed: 6 } as const;

/** As libvirt counts states: what the product makes of them is its own doing. */
function numbersOf({ power, reason }: Guest): { readonly state: number; readonly reason: number } {
  const state = stateOf[power];
  const numbers = Array.from({ length: 14 }, (_, number) => number);
  return { state, reason: numbers.find((number) => guestOf(state, number).reason === reason) ?? 0 };
}

/** As the product understands it. */
function shown(guest: Guest): Guest {
  const { state, reason } = numbersOf(guest);
  return guestOf(state, reason);
}
