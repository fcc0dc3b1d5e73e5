/** nodectl key: a change of the cluster key while everything runs. */
import type { Command } from '../../command.ts';
import { move } from './move.ts';
import { status } from './status.ts';

export const key: Command = {
  usage: 'key',
  describe: 'Change the cluster key while everything runs (docs/SECURITY.md).',
  commands: [status, move],
};
