/** A child of a campaign: runs the seeds that it is told, one at a time, until its parent goes. */
import type { Order } from './campaign.ts';
import { runSeed } from './seed.ts';

process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined); // the parent decides
process.on('message', (order: Order) => {
  void runSeed(order.seed, order.plan).then((result) => process.send?.(result));
});
