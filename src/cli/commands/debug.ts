/** nodectl debug: only with NODEKEEPER_DEBUG=1, for nodectl and for the noded that is tried. */
import { inWords } from '../../core/decision.ts';
import { post } from '../../real/http/post.ts';
import type { Command } from '../command.ts';
import { loadedConfig } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { durationOption } from '../seconds.ts';

const answerWithinMs = 2000;

export const debug: Command = {
  usage: 'debug',
  describe: 'Break the noded of this machine on purpose, to see what happens.',
  commands: [
    {
      usage: 'block',
      describe: 'Let noded stand still, as in a library call that cannot be interrupted.',
      options: { for: { type: 'string', default: '1h', describe: 'for how long' } },
      async run(args, output) {
        const { config } = loadedConfig(args);
        const { socket } = config.api;
        const ms = durationOption(args, 'for');
        const answer = await post({ socket }, '/debug/block', { ms }, answerWithinMs);
        if (!answer.ok) throw new CommandError(exitCodes.failed, `noded does not do it: ${answer.because}`);
        output.line(`the noded of this machine stands still for ${inWords(ms)}`);
        return exitCodes.done;
      },
    },
  ],
};
