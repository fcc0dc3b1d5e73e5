/** nodectl primary: the role that one coordinator holds. */
import type { Command } from '../../command.ts';
import { isLeader } from './is-leader.ts';
import { once } from './once.ts';
import { run } from './run.ts';
import { status } from './status.ts';
import { follow, relinquish, takeover } from './transfers.ts';

export const primary: Command = {
  usage: 'primary',
  describe: 'Show and move the primary role; run what may run only on the primary.',
  commands: [status, takeover, relinquish, follow, isLeader, run, once],
};
