/** Asks for the name of what is about to be harmed, typed again; `--yes` answers for scripts. */
import { createInterface } from 'node:readline/promises';
import type { Arguments } from './command.ts';
import { flag } from './command.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** Returns when the person has typed `name`; throws (exit 4, or 2 without a terminal) otherwise. */
export async function confirmName(args: Arguments, name: string, consequence: string): Promise<void> {
  if (flag(args, 'yes')) return;
  if (!process.stdin.isTTY)
    throw new CommandError(exitCodes.usage, `${consequence} Say --yes, or run it on a terminal`);
  const answer = await ask(`${consequence} Type its name to go on: `);
  if (answer !== name) throw new CommandError(exitCodes.refused, 'not confirmed; nothing was done');
}

/** One line from the person at the terminal. */
export async function ask(question: string): Promise<string> {
  if (!process.stdin.isTTY) throw new CommandError(exitCodes.usage, 'there is nobody to ask: run it on a terminal');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(question)).trim();
  } catch (error) {
    // Ctrl-C, or the end of the input.
    if (error instanceof Error && error.name === 'AbortError')
      throw new CommandError(exitCodes.refused, '\nnot confirmed; nothing was done');
    throw error;
  } finally {
    terminal.close();
  }
}
