/** systemd in the simulator: it only counts how often it was told that noded lives. */
import type { Supervisor } from '../environment/supervisor.ts';

export class SimSupervisor implements Supervisor {
  aliveCalls = 0;

  ready(): void {
    // nobody waits for it
  }

  alive(): void {
    this.aliveCalls += 1;
  }

  /** For how long it will wait, from when on. */
  stoppingWithinMs: number | null = null;

  stopping(_status: string, withinMs: number): void {
    this.stoppingWithinMs = withinMs;
  }
}
