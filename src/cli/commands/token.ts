/** nodectl token: what programs show to noded's web listener. */
import { readClusterKeys } from '../../real/config-file.ts';
import type { Command } from '../command.ts';
import { text } from '../command.ts';
import { loadedConfig } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';

export const token: Command = {
  usage: 'token <for>',
  describe: 'Print the token for programs that ask noded over the network (derived from the cluster key).',
  positionals: {
    for: {
      type: 'string',
      choices: ['read', 'operate'],
      describe: 'read: look at everything; operate: change things too',
    },
  },
  examples: [['curl -H "Authorization: Bearer $(nodectl token read)" https://node1:7481/v1/vms', 'ask with it']],
  run(args, output) {
    const key = readClusterKeys(loadedConfig(args).config);
    if (!key.ok) throw new CommandError(exitCodes.usage, key.message);
    output.line(text(args, 'for') === 'operate' ? key.value.first.operateToken : key.value.first.readToken);
    return Promise.resolve(exitCodes.done);
  },
};
