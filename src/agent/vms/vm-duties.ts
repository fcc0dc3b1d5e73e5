/** All that a node does about VMs, as the life of a noded starts and ends it. */
import type { Hypervisor } from '../../environment/hypervisor.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { DrainLoop } from './drain.ts';
import { VmLoop } from './vms.ts';

export class VmDuties {
  private readonly context: Context;
  private readonly loop: VmLoop;
  private readonly drain: DrainLoop;

  constructor(context: Context, hypervisor: Hypervisor, peers: Peers) {
    this.context = context;
    this.loop = new VmLoop(context, hypervisor, peers);
    this.drain = new DrainLoop(context, this.loop.catalog);
  }

  /** The store was restored from an old copy. */
  forgetStore(): void {
    this.loop.forgetStore();
  }

  async run(): Promise<void> {
    await Promise.all([this.loop.run(), this.drain.run()]);
  }

  /**
   * For a stop in good order: where the configuration asks for it the node is emptied first. Otherwise guests go on without
   * noded, which is said: nobody recovers them if the machine dies before noded is back.
   */
  async beforeStop(hurry: AbortSignal): Promise<void> {
    const { config, board, history, self } = this.context;
    if (config.vms.flushOnShutdown) await this.drain.empty(config.vms.flushTimeout, hurry);
    if (!board.guestsHeld) return;
    const why = config.vms.flushOnShutdown ? 'not all VMs have moved away' : 'vms.flushOnShutdown is off';
    const because = `noded on ${self.name} stops (${why}): its guests go on without it, and nobody recovers them if the machine dies meanwhile`;
    history.happened('vm-failed', because, { node: self.name });
  }
}
