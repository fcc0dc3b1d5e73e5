/** `primary`: what the holder of the role runs, and how it changes hands. */
import * as z from 'zod';
import { command, durationOr, flag, nodeName, shown, whole, word } from '../fields.ts';

const resourceTimeouts = {
  startTimeout: durationOr('30s', 'How long starting it may take.', 100, 3_600_000),
  stopTimeout: durationOr(
    '10s',
    'How long stopping it may take; what cannot be stopped resets the machine.',
    100,
    600_000,
  ),
  statusTimeout: durationOr('5s', 'How long asking for its status may take.', 100, 600_000),
};

const resource = z
  .discriminatedUnion(
    'type',
    [
      z.strictObject({
        type: z.literal('address'),
        name: nodeName('Name of the resource.'),
        address: word(
          'An IPv4 or IPv6 address with its prefix length, e.g. 10.0.0.9/24: moved with the role and announced.',
          /^([0-9]{1,3}(\.[0-9]{1,3}){3}\/([0-9]|[12][0-9]|3[0-2])|[0-9a-fA-F:]*:[0-9a-fA-F:]*\/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$/,
          'an address with its prefix length, e.g. 10.0.0.9/24 or fd00::9/64',
        ),
        interface: word(
          'The network interface that carries it.',
          /^[A-Za-z0-9_.:@-]{1,15}$/,
          'the name of an interface',
        ),
        ...resourceTimeouts,
      }),
      z.strictObject({
        type: z.literal('unit'),
        name: nodeName('Name of the resource.'),
        unit: word(
          'A systemd unit; it must not be enabled to start at boot.',
          /^[A-Za-z0-9:_.@-]{1,255}$/,
          'the name of a unit',
        ),
        ...resourceTimeouts,
      }),
      z.strictObject({
        type: z.literal('command'),
        name: nodeName('Name of the resource.'),
        start: command('Starts it; exit 0 when it runs, also when it ran already.'),
        stop: command('Stops it; exit 0 when it is stopped, also when it was stopped already.'),
        status: command(
          'Exit 0: running; 3: stopped; 1 or 2: dead; anything else, or no exit within statusTimeout: unknown.',
        ),
        ...resourceTimeouts,
      }),
    ],
    { error: (issue) => `expected an entry with type: address, unit or command; got ${shown(issue.input)}` },
  )
  .meta({ description: 'One resource.' });

const hooks = (text: string) =>
  z
    .array(
      z.strictObject({
        command: command('The command; exit 0 is success.'),
        timeout: durationOr('10s', 'How long it may take before it is killed with its process group.', 100, 3_600_000),
      }),
    )
    .max(16, { error: 'expected at most 16 hooks' })
    .default([])
    .meta({ description: text, range: 'at most 16' });

export const primary = z.strictObject({
  resources: z.array(resource).max(64, { error: 'expected at most 64 resources' }).default([]).meta({
    description:
      'What the primary runs, started in this order and stopped in reverse. The same on every coordinator. Each has a `type`: `address`, `unit` or `command`.',
    range: 'at most 64',
  }),
  hooks: z
    .strictObject({
      takeover: hooks('Run in order before the resources start; one that fails ends the takeover.'),
      relinquish: hooks(
        'Run in order before the resources stop in a graceful transfer; one that fails ends the transfer.',
      ),
      deposed: hooks(
        'Run in order after everything was stopped because the role was lost; at the next start if noded died.',
      ),
    })
    .prefault({})
    .meta({ description: 'Commands around a change of the role.' }),
  lockTimeout: durationOr('400ms', 'How long a contender waits for the lock of the contention.', 50, 10_000),
  contentionStep: durationOr(
    '300ms',
    'Each rank waits this much longer before it contends, so that the best one wins.',
    0,
    10_000,
  ),
  prepareTimeout: durationOr('5s', 'How long the target of a transfer may take to say that it is ready.', 200, 600_000),
  handOverTimeout: durationOr('60s', 'How long a node that stops waits until its successor is primary.', 1000, 600_000),
  checkInterval: durationOr('10s', 'Pause between two checks of the running resources.', 500, 3_600_000),
  maxRestarts: whole(
    'Restarts of one resource within an hour before the role is handed to another node.',
    0,
    100,
  ).default(3),
  statusUnknownLimit: whole(
    'A resource whose status is unknown in so many checks in a row counts as failed.',
    1,
    100,
  ).default(3),
  barAfterFailure: durationOr(
    '5m',
    'A node that could not run the resources does not stand for this long.',
    0,
    86_400_000,
  ),
  failsafe: flag(
    'While the store is away for everybody, the primary goes on for as long as every other coordinator answers and agrees.',
    false,
  ),
});
