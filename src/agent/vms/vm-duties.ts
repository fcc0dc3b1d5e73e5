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

  async run(): Promise<void> {
    await Promise.all([this.loop.run(), this.drain.run()]);
  }

  /** For a stop in good order, where the configuration asks for it: otherwise guests go on running without noded. */
  async beforeStop(hurry: AbortSignal): Promise<void> {
    const { config, env } = this.context;
    if (!config.vms.flushOnShutdown) return;
    const isEmpty = await this.drain.empty(config.vms.flushTimeout, hurry);
    if (!isEmpty) env.log.warn('not all VMs have moved away; they go on running here without noded', {});
  }
}
