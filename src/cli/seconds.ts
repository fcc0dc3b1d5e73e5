/** `--timeout 30` or `--timeout 30s`: both are what people write. */
import { parseDuration } from '../config/duration.ts';
import type { Arguments } from './command.ts';
import { CommandError, exitCodes } from './exit-codes.ts';

/** The option in ms; a plain number counts seconds. */
export function durationOption(args: Arguments, name: string): number {
  const text = String(args[name]);
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
  if (ms === null || !(ms > 0))
    throw new CommandError(
      exitCodes.usage,
      `--${name} takes a duration above 0, such as 30s; got ${JSON.stringify(text)}`,
    );
  return ms;
}
