/** nodectl primary run -- CMD: the command lives only while this machine is primary. */
import type { Arguments, Command } from '../../command.ts';
import { flag } from '../../command.ts';
import { runBound } from '../../bound-command.ts';
import { loadedConfig, pause } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { askLocalNoded } from '../../local-noded.ts';

const askAgainMs = 300;
const answerMs = 1000;

export const run: Command = {
  usage: 'run [command..]',
  describe:
    'Run a command only while this machine is primary; it is ended (SIGTERM, SIGKILL) before anybody else can be. Waits until this machine is primary, and says for whom; a worker never is.',
  positionals: { command: { type: 'string', describe: 'the program and its arguments, after --' } },
  options: {
    'once-per-epoch': {
      type: 'boolean',
      default: false,
      describe: 'when it ends, wait for the next time that this machine becomes primary',
    },
    'no-wait': { type: 'boolean', default: false, describe: 'end with 1 at once if this machine is not primary' },
  },
  examples: [['nodectl primary run -- /usr/local/bin/scheduler', 'exactly one of it in the cluster']],
  async run(args) {
    const { config } = loadedConfig(args);
    const words = wordsOf(args);
    if (config.node.role === 'worker' && !flag(args, 'no-wait'))
      throw new CommandError(
        exitCodes.usage,
        'this machine is a worker (node.role) and never is primary; nothing was run. Run this on the coordinators',
      );
    let done = 0;
    for (;;) {
      let told: string | null = null;
      for (;;) {
        const asked = await askLocalNoded(config, { kind: 'lease', forMs: 0 }, answerMs);
        if (asked.ok && asked.answer.primary && asked.answer.epoch > done) break;
        const because = asked.ok
          ? asked.answer.because
          : `the noded of this machine does not answer on ${config.api.socket} (${asked.because})`;
        if (flag(args, 'no-wait'))
          throw new CommandError(asked.ok ? exitCodes.failed : exitCodes.unreachable, `nothing was run: ${because}`);
        const waiting = !asked.ok ? 'without a noded' : asked.answer.primary ? 'after it ended' : 'as secondary';
        if (waiting !== told)
          process.stderr.write(
            waiting === 'after it ended'
              ? `nodectl: waits for the next time that this machine becomes primary (it is, with epoch ${done})\n`
              : `nodectl: waits until this machine is primary: ${because}\n`,
          );
        told = waiting;
        await pause(askAgainMs);
      }
      const result = await runBound(config, words).catch((error: unknown) => {
        if (error instanceof CommandError && error.code === exitCodes.failed) return null; // lost between the two questions
        throw error;
      });
      if (result === null) continue;
      if (result.endedBecause !== null) process.stderr.write(`nodectl: ended: ${result.endedBecause}\n`);
      if (!flag(args, 'once-per-epoch')) return result.code;
      done = result.epoch;
    }
  },
};

export function wordsOf(args: Arguments): string[] {
  const words = [
    ...((args['command'] as string[] | undefined) ?? []),
    ...((args['--'] as string[] | undefined) ?? []),
  ].map(String);
  if (words.length === 0)
    throw new CommandError(exitCodes.usage, 'say the command after --, e.g. nodectl primary run -- sleep 60');
  return words;
}
