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

  stopping(): void {
    // nobody waits for it
  }
}
