/** nodectl: registers the commands with yargs, runs one, turns its outcome into an exit code. */
import yargs from 'yargs';
import type { Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import type { Command } from './command.ts';
import { commands } from './commands/all.ts';
import { complete, fishScript } from './completion.ts';
import { programVersion } from '../real/package.ts';
import { parseWithoutCompiling } from '../records/record.ts';
import { CommandError, exitCodeWords, exitCodes } from './exit-codes.ts';
import { guardCommand } from './guard/guard.ts';
import { guardWord } from './guard/messages.ts';
import { createOutput } from './output.ts';

let exitCode: number = exitCodes.done;

function register(parser: Argv, command: Command): Argv {
  return parser.command(
    command.usage,
    command.describe,
    (inner) => {
      for (const [name, positional] of Object.entries(command.positionals ?? {})) inner.positional(name, positional);
      for (const [name, option] of Object.entries(command.options ?? {})) inner.option(name, option);
      for (const [example, words] of command.examples ?? []) inner.example(example, words);
      for (const sub of command.commands ?? []) register(inner, sub);
      if (command.commands?.some((sub) => sub.usage.startsWith('$0')) === false)
        inner.demandCommand(1, `${command.usage}: say what to do with it`);
      return inner.strict();
    },
    async (args) => {
      if (command.run !== undefined) exitCode = await command.run(args, createOutput());
    },
  );
}

async function main(): Promise<void> {
  const words = Object.entries(exitCodeWords).map(([code, text]) => `${code} ${text}`);
  let parser: Argv = yargs(hideBin(process.argv))
    .scriptName('nodectl')
    .usage('$0: the command line of nodekeeper\n\nUsage: $0 <command> [options]')
    .option('config', {
      type: 'string',
      global: true,
      describe: 'configuration file (default: NODEKEEPER_CONFIG, then /etc/nodekeeper/config.yaml)',
    })
    .parserConfiguration({
      'boolean-negation': false,
      'duplicate-arguments-array': false,
      'populate--': true,
      'unknown-options-as-args': false,
    })
    .version(programVersion())
    .strict()
    .recommendCommands()
    .demandCommand(1, 'say a command; nodectl --help lists them')
    .epilogue(`Exit codes: ${words.join(' · ')}`)
    .wrap(Math.min(110, process.stdout.columns || 110))
    .exitProcess(false)
    .fail((message: string | null, error: Error | undefined) => {
      if (error !== undefined) throw error;
      throw new CommandError(
        exitCodes.usage,
        `${message ?? 'wrong usage'}

${helpHint()}`,
      );
    });
  for (const command of commands) parser = register(parser, command);
  parser = parser.completion('completion', 'Print the completion script for bash or zsh (fish: completion fish).');
  await parser.parseAsync();
}

function helpHint(): string {
  const path = hideBin(process.argv).filter((word) => !word.startsWith('-'));
  const known = commands.find((command) => command.usage.split(' ')[0] === path[0]);
  return `see: nodectl ${known === undefined ? '' : `${path[0] ?? ''} `}--help`;
}

async function start(): Promise<void> {
  parseWithoutCompiling();
  // `nodectl events | head`: a reader that has had enough is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  const [first, second] = hideBin(process.argv);
  if (first === 'completion' && second === 'fish') process.stdout.write(fishScript);
  else if (first === guardWord && process.send !== undefined) await guardCommand();
  else if (first === '--get-yargs-completions')
    for (const word of await complete(process.argv.slice(3))) process.stdout.write(`${word}\n`);
  else await main();
}

// No `await` out here: the bundle is one script, so that its compiled code can be kept (launch.ts).
void start()
  .catch((error: unknown) => {
    const isUsage = error instanceof Error && error.name === 'YError';
    if (!isUsage && !(error instanceof CommandError)) throw error;
    process.stderr.write(`nodectl: ${error.message}\n`);
    exitCode = error instanceof CommandError ? error.code : exitCodes.usage;
  })
  .then(() => (process.exitCode = exitCode));
