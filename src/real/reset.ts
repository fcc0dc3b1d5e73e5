/** The last resort (S9): the command of the configuration that resets this machine. Its end is not waited for long. */
import type { Reset } from '../environment/reset.ts';
import { run } from './process/runner.ts';

const deadlineMs = 10_000;

export function commandReset(words: readonly string[], onFailure: (because: string) => void): Reset {
  const [program = '', ...args] = words;
  return {
    async resetMachine() {
      const done = await run(program, args, { deadlineMs });
      const because =
        done.kind === 'exited'
          ? `exit code ${done.code}: ${done.stderr}`
          : done.kind === 'timed-out'
            ? 'no end in time'
            : done.because;
      onFailure(`${words.join(' ')}: ${because}; this machine still runs`);
    },
  };
}
