/**
 * nodectl fence confirm NODE: the way out when no device can tell. Loud, asked for by name, recorded with who said it, and
 * never implied by anything else (rule 19 of the field): if the node runs after all, what it held runs twice.
 */
import { isConfirmedOff } from '../../../core/fencing.ts';
import { readCluster } from '../../cluster-view.ts';
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { confirmName } from '../../confirm.ts';
import { requester, withStore } from '../../connect.ts';
import { exitCodes } from '../../exit-codes.ts';
import { durationOption } from '../../seconds.ts';
import { findNode } from '../node.ts';
import { readRecord } from './read-fence.ts';
import { askAndFollow } from './request.ts';

export const confirm: Command = {
  usage: 'confirm <node>',
  describe: 'Give your word that a node is off, where no device can tell: what it held is recovered elsewhere.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: {
    yes: { type: 'boolean', default: false, describe: 'do not ask' },
    reason: { type: 'string', default: '', describe: 'how you know, for the record' },
    'despite-reading': {
      type: 'boolean',
      default: false,
      describe: 'its power reads on, but that device is known to be wrong',
    },
    timeout: { type: 'string', default: '120s', describe: 'how long to wait for the outcome' },
    ...jsonOption,
  },
  examples: [['nodectl fence confirm node2 --reason "I pulled both power cords"', 'after every level has failed']],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const withinMs = durationOption(args, 'timeout');
      const { nodes } = await readCluster(connected.store, connected.config);
      const { name, incarnation } = findNode(nodes, text(args, 'node') ?? '');
      const record = await readRecord(connected.store, name);
      if (record !== null && isConfirmedOff(record.state) && record.incarnation === incarnation) {
        if (flag(args, 'json')) output.json(record);
        else
          output.line(
            `${name} is recorded as off already (by level ${record.level ?? '?'}); there is nothing to confirm`,
          );
        return exitCodes.done;
      }
      await confirmName(
        args,
        name,
        `You say that ${name} is OFF and stays off. What it held will be started elsewhere; if it runs after all, that runs twice and destroys data.`,
      );
      const request = {
        schema: 1,
        kind: 'confirm',
        node: name,
        by: requester(),
        reason: text(args, 'reason') ?? '',
        despiteReading: flag(args, 'despite-reading'),
        incarnation,
        refusal: null,
      } as const;
      return askAndFollow(connected, request, withinMs, flag(args, 'json'), output);
    }),
};
