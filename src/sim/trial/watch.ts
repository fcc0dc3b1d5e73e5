/** Watches what comes of the trouble: on the machines where it can, in the words of the agents where it must. */
import type { World } from '../world.ts';
import { vmNames } from '../swarm/plan.ts';
import { simUuid } from '../vm-story.ts';

export class Watch {
  /** Nodes that were ordered off. */
  readonly shot = new Set<string>();
  /** How often each guard held a fence back. */
  readonly guards: Record<string, number> = {};
  /** When (virtual ms) something was first said of a node. */
  private readonly first = new Map<string, number>();
  private readonly world: World;
  private readonly fromMs: number;
  /** How long nobody could use what the primary runs, until it worked for the first time after it had not; null: not yet. */
  servedAgainMs: number | null = null;
  private servedMs = 0;
  private lastMs: number;
  private wasServed: boolean;

  constructor(world: World) {
    this.world = world;
    this.fromMs = this.lastMs = world.time.nowMs;
    this.wasServed = isServed(world);
    const { onLine } = world.trace;
    world.trace.onLine = (line) => {
      onLine(line);
      this.look();
      const kind = line.event.replace(/^\w+: /, '');
      const { node, guards } = line.facts;
      if (typeof node === 'string') this.note(`${kind} ${node}`);
      if (kind === 'guard-held' && typeof guards === 'string')
        for (const guard of guards.split(',')) this.guards[guard] = (this.guards[guard] ?? 0) + 1;
    };
    const { onOrder } = world;
    world.onOrder = (by, target, power) => {
      onOrder(by, target, power);
      if (power === 'off') this.shot.add(target);
    };
  }

  private note(what: string): void {
    if (!this.first.has(what)) this.first.set(what, this.world.time.nowMs);
  }

  /** Counts the time that has passed as served or not; to be called after each change that leaves no line. */
  look(): void {
    const { nowMs } = this.world.time;
    if (this.wasServed) this.servedMs += nowMs - this.lastMs;
    this.lastMs = nowMs;
    const now = isServed(this.world);
    if (now && !this.wasServed) this.servedAgainMs ??= nowMs - this.fromMs - this.servedMs;
    this.wasServed = now;
  }

  /** From the beginning until the agents first said `kind` of `node`; null: they have not. */
  sinceMs(kind: string, node: string | null): number | null {
    const atMs = this.first.get(`${kind} ${node ?? ''}`);
    return atMs === undefined ? null : atMs - this.fromMs;
  }

  /** For how long in all nobody could use what the primary runs. */
  awayMs(): number {
    this.look();
    return this.lastMs - this.fromMs - this.servedMs;
  }
}

/** Everything that the primary runs runs on a machine that has power, does not stand still, and can be reached. */
function isServed(world: World): boolean {
  return [...world.machines.values()].some((machine) => {
    const { name, power, process, running } = machine;
    if (power === 'off' || process?.frozen === true || world.cutFromPeers.has(name)) return false;
    const all = world.config(name).primary.resources.length;
    if (all > 0) return running.size === all;
    return process !== null && world.agents.get(name)?.board.coordinatorState === 'primary';
  });
}

/** Whether every VM runs on a machine that has power and does not stand still. */
export function vmsRun(world: World): boolean {
  return vmNames.every((name) =>
    [...world.machines.values()].some(
      ({ power, process, guests }) =>
        power === 'on' && process?.frozen !== true && guests.get(simUuid(name))?.power === 'running',
    ),
  );
}
