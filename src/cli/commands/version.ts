/** nodectl version. */
import { readFileSync } from 'node:fs';
import type { Command } from '../command.ts';
import { exitCodes } from '../exit-codes.ts';

export function programVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

export const version: Command = {
  usage: 'version',
  describe: 'Print the version.',
  run(_args, output) {
    output.line(`nodekeeper ${programVersion()} (node ${process.version})`);
    return Promise.resolve(exitCodes.done);
  },
};
