/**
 * The last resort (S9): the command of the configuration that resets this machine. When it does not work, the kernel is asked
 * directly (`b` to /proc/sysrq-trigger: at once, nothing is synced). Neither is waited for long, and no word is written
 * before the act: writing may be what hangs.
 */
import { writeFileSync } from 'node:fs';
import type { Reset } from '../environment/reset.ts';
import { run } from './process/runner.ts';

const deadlineMs = 10_000;

/** `sysrq`: the kernel's trigger, or null: it may not be used. */
export function commandReset(
  words: readonly string[],
  sysrq: string | null,
  onFailure: (because: string) => void,
): Reset {
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
      const kernel = askKernel(sysrq);
      onFailure(`${words.join(' ')}: ${because}; ${kernel}; this machine still runs`);
    },
  };
}

function askKernel(sysrq: string | null): string {
  if (sysrq === null) return 'node.resetBySysrq is off';
  try {
    writeFileSync(sysrq, 'b');
    return `${sysrq} was written to, in vain`;
  } catch (error) {
    return `${sysrq}: ${(error as Error).message}`;
  }
}
