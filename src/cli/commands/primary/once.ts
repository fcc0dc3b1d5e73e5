/** nodectl primary once NAME -- CMD: exactly one success in the cluster, ever: a bootstrap must not happen twice. */
import { randomBytes } from 'node:crypto';
import { inWords } from '../../../core/decision.ts';
import type { OnceDone, OnceRecord } from '../../../records/once.ts';
import type { Command } from '../../command.ts';
import { flag, text } from '../../command.ts';
import type { BoundResult } from '../../bound-command.ts';
import { runBound } from '../../bound-command.ts';
import type { Connected } from '../../connect.ts';
import { requester, withStore } from '../../connect.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { mustAskLocalNoded } from '../../local-noded.ts';
import type { ReadOnce } from '../../once-run.ts';
import { OnceRun, readOnce } from '../../once-run.ts';
import type { Output } from '../../output.ts';
import { clockTime } from '../../output.ts';
import { wordsOf } from './run.ts';

const answerMs = 1000;
const storeWithinMs = 5000;
/** noded looks at the store before it answers. */
const memoryMs = 4000;
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

export const once: Command = {
  usage: 'once <name> [command..]',
  describe:
    'Run a command on the primary that may succeed only once in the life of the cluster. Done already: exit 0 and the first result. It runs now, or was left half done: exit 4, told by whom. That it was done is noted in ZooKeeper, and on the disk of each coordinator that saw it: if all of them are lost, it is forgotten.',
  positionals: {
    name: { type: 'string', describe: 'what it is, e.g. bootstrap-db' },
    command: { type: 'string', describe: 'the program and its arguments, after --' },
  },
  options: {
    'begin-again': {
      type: 'boolean',
      default: false,
      describe: 'run again what was left half done, or what the store no longer knows; refused while a run is alive',
    },
    'done-already': {
      type: 'boolean',
      default: false,
      describe: 'run nothing: note in the store again what this coordinator saw done before the store lost it',
    },
  },
  examples: [
    ['nodectl primary once bootstrap-db -- /usr/local/sbin/create-database', 'whatever happens, it is created once'],
  ],
  run: (args, output) =>
    withStore(
      args,
      async (connected) => {
        const name = text(args, 'name') ?? '';
        if (!namePattern.test(name))
          throw new CommandError(exitCodes.usage, `"${name}" is no name: letters, digits, dot, hyphen, underscore`);
        const again = flag(args, 'begin-again');
        const isDoneAlready = flag(args, 'done-already');
        const words = isDoneAlready ? [] : wordsOf(args);
        const before = await readOnce(connected.store, name);
        if (before.record?.state === 'completed') return tellDone(name, before.record, output);
        if (before.runs || (before.record?.state === 'started' && !again)) throw notNow(name, before);
        const remembered = await memoryOf(connected, name);
        if (isDoneAlready) return noteAgain(connected, name, before, remembered);
        if (remembered !== null && !again) throw storeForgot(name, remembered);
        return carryOut(connected, name, words, before);
      },
      storeWithinMs,
      true,
    ),
};

async function carryOut(
  { config, store }: Connected,
  name: string,
  words: string[],
  before: ReadOnce,
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
    run: randomBytes(8).toString('hex'),
  };
  const run = new OnceRun(store, name);
  const refused = await run.begin(before, began);
  if (refused !== null) {
    const now = await readOnce(store, name);
    if (now.record?.state === 'completed') return exitCodes.done;
    if (now.version !== before.version) throw notNow(name, now);
    throw new CommandError(exitCodes.unreachable, `"${name}" could not be begun (${refused}); nothing was run`);
  }
  const result = await during(run, began, () => runBound(config, words, name));
  const completed = typeof result !== 'string' && result.code === 0 && result.endedBecause === null;
  const because = typeof result === 'string' ? result : (result.endedBecause ?? `exit code ${result.code}`);
  const code = typeof result === 'string' ? null : result.code;
  const state = completed ? 'completed' : 'failed';
  const trouble = await run.end({ ...began, state, endedWallMs: Date.now(), code, because: because.slice(0, 500) });
  if (trouble !== null)
    throw new CommandError(
      exitCodes.timedOut,
      `"${name}" ended with ${because}, but that could not be noted (${trouble}); it counts as half done`,
    );
  // The disk of this coordinator shall know it at once; the others look within five minutes.
  if (completed) await memoryOf({ config, store }, name).catch(() => null);
  if (completed) return exitCodes.done;
  throw new CommandError(exitCodes.failed, `"${name}" failed: ${because}; it may be tried again`);
}

/** The result of the command; a sentence: nothing was run. */
async function during(
  run: OnceRun,
  record: OnceRecord,
  work: () => Promise<BoundResult>,
): Promise<BoundResult | string> {
  const over = new AbortController();
  void run.keepAlive(record, over.signal);
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  } finally {
    over.abort();
  }
}

/** What the coordinator on this machine saw done, whatever the store says now. */
async function memoryOf({ config }: Pick<Connected, 'config' | 'store'>, name: string): Promise<OnceDone | null> {
  return (await mustAskLocalNoded(config, { kind: 'once', name }, memoryMs, `whether "${name}" was done is not known`))
    .done;
}

async function noteAgain(
  { store }: Connected,
  name: string,
  before: ReadOnce,
  remembered: OnceDone | null,
): Promise<number> {
  if (remembered === null)
    throw new CommandError(exitCodes.refused, `this coordinator never saw "${name}" done; nothing was noted`);
  const { node, epoch, endedWallMs, because } = remembered;
  const run = new OnceRun(store, name);
  const record: OnceRecord = {
    schema: 1,
    state: 'started',
    node,
    epoch,
    by: requester(),
    command: [],
    startedWallMs: endedWallMs,
    endedWallMs,
    code: 0,
    because,
  };
  const trouble = (await run.begin(before, record)) ?? (await run.end({ ...record, state: 'completed' }));
  if (trouble !== null)
    throw new CommandError(exitCodes.unreachable, `"${name}" could not be noted as done: ${trouble}`);
  return exitCodes.done;
}

function tellDone(name: string, record: OnceRecord, output: Output): number {
  output.line(
    `"${name}" was done by ${record.node} (epoch ${record.epoch}) at ${clockTime(record.endedWallMs ?? 0)}: ${record.because}; nothing was run`,
  );
  return exitCodes.done;
}

/** It runs, or was left half done. */
function notNow(name: string, { record, runs }: ReadOnce): CommandError {
  if (record === null) return new CommandError(exitCodes.refused, `"${name}" has just been removed; nothing was run`);
  const who = `${record.node} (epoch ${record.epoch}, ${record.by})`;
  if (runs) {
    const since = inWords(Math.max(0, Date.now() - record.startedWallMs));
    return new CommandError(exitCodes.refused, `${who} is running "${name}" since ${since}; nothing was run`);
  }
  if (record.state === 'failed')
    return new CommandError(
      exitCodes.refused,
      `${who} has just tried "${name}": ${record.because}; nothing was run here, and it may be tried again`,
    );
  return new CommandError(
    exitCodes.refused,
    `half done: ${who} began "${name}" at ${clockTime(record.startedWallMs)} and ended without a result; nothing was run. Look at what it left, then add --begin-again`,
  );
}

function storeForgot(name: string, { node, epoch, endedWallMs }: OnceDone): CommandError {
  return new CommandError(
    exitCodes.refused,
    `${node} completed "${name}" at ${clockTime(endedWallMs)} (epoch ${epoch}), says the disk of this machine, but the store does not know it: ` +
      `ZooKeeper was recreated empty, or restored from an old copy. Nothing was run. If what it made is still there: --done-already; if it is lost too: --begin-again`,
  );
}
