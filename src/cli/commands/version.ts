/** nodectl version. */
import { programVersion } from '../../real/package.ts';
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

export const version: Command = {
  usage: 'version',
  describe: 'Print the version.',
  run(_args, output) {
    output.line(`nodekeeper ${programVersion()} (node ${process.version})`);
    return Promise.resolve(exitCodes.done);
  },
};
