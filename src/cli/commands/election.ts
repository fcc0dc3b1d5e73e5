/** nodectl election status|debug|leave: every coordinator is asked itself, so that this works without primary and quorum. */
import { printTransition } from '../../core/transitions.ts';
import { disagreements } from '../../core/election.ts';
import type { DebugAnswer } from '../../records/api.ts';
import { askAll } from '../ask-coordinators.ts';
import type { Command } from '../command.ts';
import { flag, jsonOption, text } from '../command.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { clockTime } from '../output.ts';

const options = {
  node: { type: 'string', describe: 'only this node' },
  timeout: { type: 'string', default: '2s', describe: 'how long each node may take to answer' },
  ...jsonOption,
} as const;

const status: Command = {
  usage: 'status',
  describe:
    'Ask every coordinator what it is: 200 primary, 303 secondary (and who is primary), 202 in transition, 503 neither, or why it did not answer.',
  options,
  async run(args, output) {
    const rows = (await askAll(args, () => ({ kind: 'status' }))).map(({ node, asked }) =>
      asked.ok
        ? {
            id: node,
            status: String(asked.answer.status),
            message: asked.answer.message,
            epoch: asked.answer.epoch,
            tookMs: Math.round(asked.tookMs),
          }
        : { id: node, status: asked.code, message: asked.because, epoch: null, tookMs: null },
    );
    if (flag(args, 'json')) output.json(rows);
    else
      output.table(
        ['Id', 'Status', 'Message'],
        rows.map((row) => [row.id, paintStatus(row.status, output), row.message]),
      );
    const primaries = rows.filter((row) => row.status === '200').map((row) => row.id);
    if (primaries.length > 1)
      throw new CommandError(exitCodes.failed, `${primaries.join(' and ')} both say that they are primary`);
    const all = rows.every((row) => row.status === '200' || row.status === '303');
    return all && (primaries.length === 1 || text(args, 'node') !== undefined) ? exitCodes.done : exitCodes.failed;
  },
};

function paintStatus(code: string, output: Output): string {
  if (code === '200') return output.paint('green', code);
  return code === '303' ? code : output.paint(code === '202' ? 'yellow' : 'red', code);
}

const debug: Command = {
  usage: 'debug',
  describe:
    "Show each coordinator's record, its view, and the ring of its newest role transitions (STATE:EVENT:STATE, newest first); loops are named.",
  options: {
    ...options,
    limit: { type: 'number', default: 64, alias: 'n', describe: 'how many transitions of each node' },
  },
  async run(args, output) {
    const limit = Number(args['limit']);
    if (!Number.isInteger(limit) || limit < 1)
      throw new CommandError(exitCodes.usage, '--limit takes a whole number above 0');
    const all = await askAll(args, () => ({ kind: 'debug' }));
    if (flag(args, 'json')) output.json(all.map(({ node, asked }) => (asked.ok ? asked.answer : { node, ...asked })));
    else
      for (const { node, asked } of all) {
        if (asked.ok) printDebug(asked.answer, limit, output);
        else output.line(`${output.paint('bold', node)}: ${output.paint('red', asked.code)}: ${asked.because}`);
        output.line();
      }
    return all.every(({ asked }) => asked.ok) ? exitCodes.done : exitCodes.failed;
  },
};

function printDebug(
  { node, status: own, record, view, transitions, loop }: DebugAnswer,
  limit: number,
  output: Output,
): void {
  output.line(`${output.paint('bold', node)}: ${own.status} ${own.message}`);
  output.line(`  record  ${JSON.stringify(record)}`);
  for (const [name, value] of Object.entries(view)) output.line(`  ${name.padEnd(14)} ${JSON.stringify(value)}`);
  if (loop !== null) output.line(output.paint('red', `  LOOP: ${loop.cycle.join(' ')}: ${loop.advice}`));
  for (const step of transitions.slice(0, limit))
    output.line(`  ${clockTime(step.wallMs)}  epoch ${step.epoch}  ${printTransition(step)}  ${step.because}`);
  if (transitions.length === 0) output.line('  no transition so far');
}

const check: Command = {
  usage: 'check',
  describe:
    'Compare what every coordinator holds true, and name each disagreement: two primaries, other epochs, other holders, silent nodes.',
  options,
  async run(args, output) {
    const all = await askAll(args, () => ({ kind: 'debug' }));
    const found = disagreements(
      all.map(({ node, asked }) => ({
        node,
        status: asked.ok ? asked.answer.status : null,
        because: asked.ok ? '' : `${asked.code}: ${asked.because}`,
      })),
    );
    if (flag(args, 'json')) output.json({ coordinators: all.length, disagreements: found });
    else if (found.length === 0) output.line(`${all.length} coordinators agree`);
    else for (const sentence of found) output.line(output.paint('red', `! ${sentence}`));
    return found.length === 0 ? exitCodes.done : exitCodes.failed;
  },
};

const leave: Command = {
  usage: 'leave',
  describe:
    'Make nodes leave the contention and stand anew: what holds them back is forgotten. The primary is left in peace.',
  options,
  async run(args, output) {
    const rows = (await askAll(args, (to) => ({ kind: 'leave-election', to }))).map(({ node, asked }) => ({
      id: node,
      status: asked.ok
        ? asked.answer.left
          ? 'left'
          : 'nothing to leave'
        : asked.code === 'failed'
          ? 'failed'
          : 'unreachable',
      message: asked.ok ? asked.answer.because : asked.because,
    }));
    if (flag(args, 'json')) output.json(rows);
    else
      output.table(
        ['Id', 'Status', 'Message'],
        rows.map((row) => [row.id, row.status, row.message]),
      );
    return rows.every((row) => row.status === 'left' || row.status === 'nothing to leave')
      ? exitCodes.done
      : exitCodes.failed;
  },
};

export const election: Command = {
  usage: 'election',
  describe: 'Find out why nobody, or the wrong one, is primary.',
  commands: [status, debug, check, leave],
};
