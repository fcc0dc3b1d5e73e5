/**
 * `nodectl primary run` on a simulated machine: a guard that asks the noded of its machine, as src/cli/guard/guard.ts does, and a
 * command in a cgroup that lives beside both. The guard can be stopped and killed; the command goes on then.
 */
import type { LeaseAnswer } from '../records/api.ts';
import type { SimMachine } from './machine.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

const waitMs = 300;
const killMarginMs = 100;
const askedWithinMs = 1000;

const prefix = 'nodekeeper-run-';
export const cgroupOf = (name: string): string => `${prefix}${name}`;
export const isCommand = (running: string): boolean => running.startsWith(prefix);

/** Starts a guard for that command, which runs it whenever its machine is primary. */
export function runUnderRole(world: World, node: string, name: string): void {
  const machine = world.machine(node);
  if (machine.power === 'off' || machine.guards.has(name)) return;
  const guard = new SimProcess(world.time);
  machine.guards.set(name, guard);
  void new Guard(world, machine, guard, name).run();
}

/** The guard is killed, and its reaper ends the command. */
export function killGuard(world: World, node: string, name: string): void {
  const machine = world.machine(node);
  machine.guards.get(name)?.die();
  machine.guards.delete(name);
  endCommand(world, machine, cgroupOf(name), 'its guard was killed');
}

export function endCommand(world: World, machine: SimMachine, cgroup: string, because: string): void {
  machine.cgroups.delete(cgroup);
  if (!machine.running.delete(cgroup)) return;
  world.trace.line(machine.name, `${cgroup} is ended`, because);
  world.onResource(machine.name, cgroup, false, null);
}

class Guard {
  private readonly world: World;
  private readonly machine: SimMachine;
  private readonly guard: SimProcess;
  private readonly cgroup: string;
  private holds = 0;

  constructor(world: World, machine: SimMachine, guard: SimProcess, name: string) {
    this.world = world;
    this.machine = machine;
    this.guard = guard;
    this.cgroup = cgroupOf(name);
  }

  /** Lives until it is killed, or the power goes. */
  async run(): Promise<void> {
    for (;;) {
      this.holds += 1;
      this.machine.cgroups.add(this.cgroup);
      const first = await this.ask(null);
      if (first != null && first.leftMs > 2 * killMarginMs) await this.during(first);
      this.machine.cgroups.delete(this.cgroup);
      await this.guard.sleep(waitMs);
    }
  }

  private async during(first: Promised): Promise<void> {
    const { world, machine, guard, cgroup } = this;
    let untilMs = guard.monotonicMs() + first.leftMs;
    if (!machine.cgroups.has(cgroup)) return; // noded ended it meanwhile: it cannot be joined any more
    machine.running.add(cgroup);
    world.trace.line(machine.name, `${cgroup} runs`, `epoch ${first.epoch}`);
    world.onResource(machine.name, cgroup, true, first.epoch);
    while (untilMs - guard.monotonicMs() > killMarginMs) {
      const asked = await Promise.race([
        this.ask(first.epoch),
        guard.sleep(untilMs - guard.monotonicMs() - killMarginMs),
      ]);
      if (asked === null) break;
      if (asked !== undefined) untilMs = Math.max(untilMs, guard.monotonicMs() + asked.leftMs);
      await guard.sleep(waitMs);
    }
    endCommand(world, machine, cgroup, 'by its guard');
    await this.tell();
  }

  private get id(): string {
    return `${this.cgroup}-${this.machine.boots}-${this.holds}`;
  }

  /** What noded promises; null: this node is not primary; undefined: no answer. */
  private async ask(epoch: number | null): Promise<Promised | null | undefined> {
    const { world, machine, guard, cgroup } = this;
    const endpoint = world.endpoints.get(machine.name);
    const noded = machine.process;
    if (noded === null || endpoint?.process !== noded) {
      await guard.sleep(20);
      return epoch === null ? null : undefined;
    }
    const answered = new AbortController();
    let promised = undefined as Promised | null | undefined;
    noded.deliver(() => {
      const question = { kind: 'hold', id: this.id, epoch, waitMs: 0, cgroup } as const;
      void endpoint.answer(question).then((answer) => {
        const { primary, epoch: now, guaranteedUntilMs } = answer as LeaseAnswer;
        // One clock for all processes of a machine: what is left now is left for the guard, too.
        promised = primary ? { epoch: now, leftMs: guaranteedUntilMs - noded.monotonicMs() } : null;
        const saidMs = world.time.nowMs;
        guard.deliver(() => {
          if (promised != null) promised = { ...promised, leftMs: promised.leftMs - (world.time.nowMs - saidMs) };
          answered.abort();
        });
      });
    });
    await guard.sleep(askedWithinMs, answered.signal);
    return answered.signal.aborted ? promised : epoch === null ? null : undefined;
  }

  private async tell(): Promise<void> {
    const { world, machine, guard } = this;
    const { id } = this;
    const endpoint = world.endpoints.get(machine.name);
    machine.process?.deliver(() => void endpoint?.answer({ kind: 'release', id }));
    await guard.sleep(1);
  }
}

interface Promised {
  readonly epoch: number;
  readonly leftMs: number;
}
