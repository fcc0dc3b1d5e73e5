/** A command is data: main.ts registers it with yargs, scripts/docs renders it to docs/cli.md. */
import type { Options } from 'yargs';
import type { Output } from './output.ts';

export type Arguments = Readonly<Record<string, unknown>>;

export interface Command {
  /** As yargs writes it: `node show <name>` is the command `show <name>` under `node`. */
  readonly usage: string;
  readonly describe: string;
  readonly positionals?: Readonly<Record<string, Options & { type: 'string' }>>;
  readonly options?: Readonly<Record<string, Options>>;
  readonly examples?: readonly (readonly [string, string])[];
  readonly run?: (args: Arguments, output: Output) => Promise<number>;
  /** Commands below this one; then it has no `run` of its own unless `usage` of one of them is `$0`. */
  readonly commands?: readonly Command[];
}

export const jsonOption = { json: { type: 'boolean', default: false, describe: 'print JSON for programs' } } as const;

export function text(args: Arguments, name: string): string | undefined {
  const value = args[name];
  return typeof value === 'string' ? value : undefined;
}

export function flag(args: Arguments, name: string): boolean {
  return args[name] === true;
}

/** For commands that wait for their outcome unless they are told not to. */
export const waitOptions = {
  wait: { type: 'boolean', default: true, describe: 'wait for the outcome' },
  'no-wait': { type: 'boolean', default: false, describe: 'only write it down' },
} as const;

export function waits(args: Arguments): boolean {
  return flag(args, 'wait') && !flag(args, 'no-wait');
}
