/** nodectl primary once NAME -- CMD: exactly one success in the cluster, ever (R51): a bootstrap must not happen twice. */
import type { Config } from '../../../config/load.ts';
import type { Store } from '../../../environment/store.ts';
import { OnceRecord } from '../../../records/once.ts';
import { parseRecord, printRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import type { Command } from '../../command.ts';
import { flag, text } from '../../command.ts';
import { runBound } from '../../bound-command.ts';
import { requester, withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { mustAskLocalNoded } from '../../local-noded.ts';
import type { Output } from '../../output.ts';
import { clockTime } from '../../output.ts';
import { wordsOf } from './run.ts';

const answerMs = 1000;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export const once: Command = {
  usage: 'once <name> [command..]',
  describe:
    'Run a command on the primary that may succeed only once in the life of the cluster. Done already: exit 0 and the first result. Half done: exit 4, told by whom.',
  positionals: {
    name: { type: 'string', describe: 'what it is, e.g. bootstrap-db' },
    command: { type: 'string', describe: 'the program and its arguments, after --' },
  },
  options: {
    'begin-again': {
      type: 'boolean',
      default: false,
      describe: 'begin again what somebody left half done; you have made sure that this is right',
    },
  },
  examples: [
    ['nodectl primary once bootstrap-db -- /usr/local/sbin/create-database', 'whatever happens, it is created once'],
  ],
  run: (args, output) =>
    withStore(args, async ({ store, config }) => {
      const name = text(args, 'name') ?? '';
      if (!namePattern.test(name))
        throw new CommandError(exitCodes.usage, `"${name}" is no name: letters, digits, dot, hyphen, underscore`);
      const words = wordsOf(args);
      const before = await readOnce(store, name);
      if (before?.record.state === 'completed') return tellDone(name, before.record, output);
      if (before?.record.state === 'started' && !flag(args, 'begin-again')) throw halfDone(name, before.record);
      return carryOut(config, store, name, words, before);
    }),
};

interface ReadOnce {
  readonly record: OnceRecord;
  readonly version: number;
}

async function carryOut(
  config: Config,
  store: Store,
  name: string,
  words: string[],
  before: ReadOnce | null,
): Promise<number> {
  const lease = await mustAskLocalNoded(config, { kind: 'lease', forMs: 0 }, answerMs);
  if (!lease.primary) throw new CommandError(exitCodes.failed, `not primary: ${lease.because}; nothing was run`);
  const began: OnceRecord = {
    schema: 1,
    state: 'started',
    node: lease.node,
    epoch: lease.epoch,
    by: requester(),
    command: words,
    startedWallMs: Date.now(),
    endedWallMs: null,
    code: null,
    because: 'begun',
  };
  const path = `${tree.once}/${name}`;
  const text = printRecord(began);
  const begun =
    before === null ? await store.create(path, text, 'persistent') : await store.write(path, text, before.version);
  if (!begun.ok) {
    const now = await readOnce(store, name);
    if (now !== null)
      throw now.record.state === 'completed' ? new CommandError(exitCodes.done, '') : halfDone(name, now.record);
    throw new CommandError(
      exitCodes.unreachable,
      `it could not be noted that "${name}" begins (${begun.because}); nothing was run`,
    );
  }
  const version = before === null ? 0 : before.version + 1;
  const result = await runBound(config, words);
  const completed = result.code === 0 && result.endedBecause === null;
  const because = result.endedBecause ?? `exit code ${result.code}`;
  const ended: OnceRecord = {
    ...began,
    state: completed ? 'completed' : 'failed',
    endedWallMs: Date.now(),
    code: result.code,
    because: because.slice(0, 500),
  };
  const noted = await store.write(path, printRecord(ended), version);
  if (!noted.ok)
    throw new CommandError(
      exitCodes.timedOut,
      `"${name}" ended with ${because}, but that could not be noted (${noted.because}); it counts as half done`,
    );
  if (completed) return exitCodes.done;
  throw new CommandError(exitCodes.failed, `"${name}" failed: ${because}; it may be tried again`);
}

async function readOnce(store: Store, name: string): Promise<ReadOnce | null> {
  const read = await store.read(`${tree.once}/${name}`);
  if (!read.ok && read.code === 'no-node') return null;
  if (!read.ok) throw new CommandError(exitCodes.unreachable, read.because);
  const parsed = parseRecord(OnceRecord, read.text);
  if (!parsed.ok)
    throw new CommandError(
      exitCodes.refused,
      `the record of "${name}" cannot be read (${parsed.because}): whether it was done is not known; nothing was run`,
    );
  return { record: parsed.record, version: read.version };
}

function tellDone(name: string, record: OnceRecord, output: Output): number {
  output.line(
    `"${name}" was done by ${record.node} (epoch ${record.epoch}) at ${clockTime(record.endedWallMs ?? 0)}: ${record.because}; nothing was run`,
  );
  return exitCodes.done;
}

function halfDone(name: string, record: OnceRecord): CommandError {
  const who = `${record.node} (epoch ${record.epoch}, ${record.by}) began "${name}" at ${clockTime(record.startedWallMs)}`;
  return new CommandError(
    exitCodes.refused,
    `half done: ${who} and has not said how it ended; nothing was run. Look at what it left, then say --begin-again`,
  );
}
