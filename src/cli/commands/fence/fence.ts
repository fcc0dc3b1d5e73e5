/** nodectl fence: fence a node now, give a word instead, or ask what was done and what would be. */
import type { Command } from '../../command.ts';
import { cancel } from './cancel.ts';
import { clear } from './clear.ts';
import { confirm } from './confirm.ts';
import { explain, simulate } from './explain.ts';
import { history } from './history.ts';
import { now } from './now.ts';

export const fence: Command = {
  usage: 'fence',
  describe:
    'Fence a node now, confirm that it is off, cancel a fence, trust a repaired device again, show what was done, why, and what would be.',
  commands: [history, explain, simulate, confirm, cancel, clear, now],
};
