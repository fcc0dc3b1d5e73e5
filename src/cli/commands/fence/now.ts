/** nodectl fence NODE: a coordinator carries it out; power status and power on go straight to the devices. */
import type { Store } from '../../../environment/store.ts';
import type { Command } from '../../command.ts';
import { flag, jsonOption, text } from '../../command.ts';
import { confirmName } from '../../confirm.ts';
import { requester, withStore } from '../../connect.ts';
import { readCluster } from '../../cluster-view.ts';
import { declaredInWords, readDeclared } from '../../declared.ts';
import { CommandError, exitCodes } from '../../exit-codes.ts';
import { durationOption } from '../../seconds.ts';
import { findNode } from '../node.ts';
import { powerOn, readPower } from './power.ts';
import { askAndFollow } from './request.ts';

const actions = ['off', 'on', 'reboot', 'status'] as const;

export const now: Command = {
  usage: '$0 <node>',
  describe:
    'Fence a node now (a coordinator carries it out), power it on, or read its power. Exit 4: refused, or fenced and left off by the loop guard.',
  positionals: { node: { type: 'string', describe: 'the node' } },
  options: {
    action: { choices: actions, default: 'reboot', describe: 'off and reboot fence; on and status only use the BMC' },
    yes: { type: 'boolean', default: false, describe: 'do not ask' },
    reason: { type: 'string', default: '', describe: 'why, for the record' },
    'device-is-right': {
      type: 'boolean',
      default: false,
      describe: "use its devices although they seem to be another machine's; --reason says why that is right",
    },
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
      const view = await readCluster(connected.store, connected.config);
      const node = findNode(view.nodes, text(args, 'node') ?? '');
      const { name } = node;
      const action = text(args, 'action');
      if (action === 'status') return readPower(connected, view, node, flag(args, 'json'), output);
      if (action === 'on') return powerOn(connected, name, output);
      const deviceIsRight = flag(args, 'device-is-right');
      if (deviceIsRight && (text(args, 'reason') ?? '') === '')
        throw new CommandError(
          exitCodes.usage,
          '--device-is-right needs --reason: it stands in the history why the device is the right one',
        );
      const what = action === 'off' ? 'switch off' : 'power-cycle';
      const declared = await maintenanceOf(connected.store, name);
      const json = flag(args, 'json');
      if (flag(args, 'yes') && !json) for (const sentence of declared) output.line(output.paint('yellow', sentence));
      const consequence = [...declared, `This will ${what} ${name}, whatever runs on it.`].join('. ');
      await confirmName(args, name, consequence);
      const request = {
        schema: 1,
        kind: 'fence',
        node: name,
        action: action === 'off' ? 'off' : 'reboot',
        by: requester(),
        reason: text(args, 'reason') ?? '',
        deviceIsRight,
        refusal: null,
      } as const;
      return askAndFollow(connected, request, withinMs, json, output);
    }),
};

/** An operator may fence over a maintenance; whose it is and why is said first. */
async function maintenanceOf(store: Store, name: string): Promise<string[]> {
  const found = await Promise.all([null, name].map(async (of) => [of, await readDeclared(store, of)] as const));
  return found.flatMap(([of, declared]) => (declared === null ? [] : [declaredInWords(of, declared)]));
}
