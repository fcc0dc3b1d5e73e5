/** nodectl primary is-leader: for scripts that must know, and for how long it is certain. */
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { loadedConfig } from '../../connect.ts';
import { exitCodes } from '../../exit-codes.ts';
import { mustAskLocalNoded } from '../../local-noded.ts';
import { durationOption } from '../../seconds.ts';

const answerMs = 1000;

export const isLeader: Command = {
  usage: 'is-leader',
  describe:
    'Exit 0 if this machine is primary, and stays so for the given time whatever happens; 1 if not; 3 if that is not known (then do nothing).',
  options: {
    for: { type: 'string', describe: 'how long it must be certain, e.g. 2s: a hand-over waits for it' },
    ...jsonOption,
  },
  examples: [['nodectl primary is-leader --for 2s && backup-step', 'two seconds in which nobody else is primary']],
  async run(args, output) {
    const { config } = loadedConfig(args);
    const forMs = text(args, 'for') === undefined ? 0 : durationOption(args, 'for');
    const answer = await mustAskLocalNoded(config, { kind: 'lease', forMs }, answerMs);
    const leaseLeftMs = Math.floor(answer.leaseLeftMs);
    if (flag(args, 'json')) output.json({ ...answer, leaseLeftMs, guaranteedForMs: answer.primary ? forMs : 0 });
    else if (answer.primary) output.line(`primary, epoch ${answer.epoch}, lease left ${leaseLeftMs} ms`);
    else output.line(`not primary: ${answer.because}`);
    return answer.primary ? exitCodes.done : exitCodes.failed;
  },
};
