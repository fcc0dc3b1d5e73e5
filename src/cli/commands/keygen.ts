/** nodectl keygen: makes the cluster key. */
import { writeFileSync } from 'node:fs';
import { newKeyText } from '../../real/secrets.ts';
import type { Command } from '../command.ts';
import { text } from '../command.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';

export const keygen: Command = {
  usage: 'keygen',
  describe: 'Make a cluster key. Copy it to every machine; whoever has it can fence them all.',
  options: { out: { type: 'string', describe: 'write it to this new file (mode 0600) instead of standard output' } },
  examples: [['nodectl keygen --out /etc/nodekeeper/cluster.key', 'once per cluster']],
  run(args, output) {
    const out = text(args, 'out');
    const key = newKeyText();
    if (out === undefined) {
      output.line(key.trimEnd());
      return Promise.resolve(exitCodes.done);
    }
    try {
      writeFileSync(out, key, { mode: 0o600, flag: 'wx' }); // never over an existing key: the cluster would fall apart
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = code === 'EEXIST' ? 'it exists already, and a key is never overwritten' : message;
      throw new CommandError(exitCodes.usage, `${out}: ${why}`);
    }
    output.line(`${out} written; copy it to every machine of the cluster (mode 0600, owner root)`);
    return Promise.resolve(exitCodes.done);
  },
};
