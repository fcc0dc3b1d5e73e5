/** nodectl fence NODE: a coordinator carries it out; power status and power on go straight to the devices. */
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { confirmName } from '../../confirm.ts';
import { requester, withStore } from '../../connect.ts';
import { readCluster } from '../../cluster-view.ts';
import { durationOption } from '../../seconds.ts';
import { findNode } from '../node.ts';
import { powerOn, readPower } from './power.ts';
import { askAndFollow } from './request.ts';

const actions = ['off', 'on', 'reboot', 'status'] as const;

export const now: Command = {
  usage: '$0 <node>',
  describe: 'Fence a node now (a coordinator carries it out), power it on, or read its power.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: {
    action: { choices: actions, default: 'reboot', describe: 'off and reboot fence; on and status only use the BMC' },
    yes: { type: 'boolean', default: false, describe: 'do not ask' },
    reason: { type: 'string', default: '', describe: 'why, for the record' },
    timeout: { type: 'string', default: '120s', describe: 'how long to wait for the outcome' },
    ...jsonOption,
  },
  examples: [
    ['nodectl fence node2 --action status', 'what the BMC says about its power'],
    ['nodectl fence node2 --action reboot --yes --reason "kernel hangs"', 'power off, read as off, power on'],
  ],
  run: (args, output) =>
    withStore(args, async (connected) => {
      const withinMs = durationOption(args, 'timeout');
      const { nodes } = await readCluster(connected.store, connected.config);
      const { name } = findNode(nodes, text(args, 'node') ?? '');
      const action = text(args, 'action');
      if (action === 'status') return readPower(connected, name, flag(args, 'json'), output);
      if (action === 'on') return powerOn(connected, name, output);
      const what = action === 'off' ? 'switch off' : 'power-cycle';
      await confirmName(args, name, `This will ${what} ${name}, whatever runs on it.`);
      const request = {
        schema: 1,
        kind: 'fence',
        node: name,
        action: action === 'off' ? 'off' : 'reboot',
        by: requester(),
        reason: text(args, 'reason') ?? '',
        refusal: null,
      } as const;
      return askAndFollow(connected, request, withinMs, flag(args, 'json'), output);
    }),
};
