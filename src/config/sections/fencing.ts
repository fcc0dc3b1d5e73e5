/** `fencing` and `bmc`: what is done about a dead node, and how this one is fenced. */
import * as z from 'zod';
import { choice, durationOr, flag, nodeName, path, shown, utf8Length, whole, word } from '../fields.ts';

const optionName = /^[a-zA-Z][a-zA-Z0-9_-]{0,60}$/;
/** No line feed: on standard input a line is an option. */
const optionValue = z
  .union(
    [
      z.string().regex(/^[^\0\n\r]{0,500}$/, { error: 'expected one line of at most 500 characters' }),
      z.number(),
      z.boolean(),
    ],
    { error: (issue) => `expected a text, a number or true/false, got ${shown(issue.input)}` },
  )
  .transform(String);

const deviceLimits = {
  delay: durationOr(
    '0ms',
    'A verdict against this machine is carried out this much later, once: of two machines that would shoot each other this one wins.',
    0,
    60_000,
  ),
  retries: whole('How often the order to go off is repeated while power still reads on.', 0, 100).default(3),
};

export const fencing = z.strictObject({
  enabled: flag(
    'Whether this coordinator fences by its own verdict. Requests of an operator are carried out either way.',
    true,
  ),
  action: choice('What becomes of a fenced node: `reboot` powers it on again after it was recorded as fenced.', [
    'reboot',
    'off',
  ]).default('reboot'),
  maxConcurrentFences: whole('Fences under way at the same time in the whole cluster.', 1, 100).default(1),
  maxUnhealthy: whole(
    'From this many nodes silent together on, nobody is fenced (storm guard). Default: half of the nodes, at least 2.',
    2,
    10_000,
  ).optional(),
  maxFencesPerHour: whole(
    'A node fenced more often than this within an hour is left off and waits for a person.',
    1,
    100,
  ).default(3),
  levelDeadline: durationOr('20s', 'How long one level may try until power reads off.', 1000, 600_000),
  pollInterval: durationOr('100ms', 'Pause between two power readings while waiting for off.', 20, 10_000),
  repeatOrder: durationOr('5s', 'Power off is ordered again when power still reads on after this long.', 500, 60_000),
  retryBackoff: durationOr(
    '10s',
    'Pause before the next round, when every coordinator has tried and failed; doubles each round.',
    500,
    3_600_000,
  ),
  retryBackoffMax: durationOr('5m', 'Longest pause between two rounds.', 1000, 86_400_000),
  primaryDelay: durationOr(
    '0ms',
    'Before a node that holds the primary role is shot, this long is waited, once: so that of two nodes that would shoot each other the primary wins.',
    0,
    60_000,
  ),
  earlyEvidence: flag(
    'Whether power that reads off twice ends the wait for the other saving throws. Only a BMC that read on while the node lived is believed.',
    true,
  ),
  verifyInterval: durationOr(
    '5m',
    'How often it is proved anew that fencing would work. A node that is being fenced is left out until that is over.',
    5000,
    86_400_000,
  ),
  quorumRecovery: choice(
    'While ZooKeeper has no quorum, the coordinators that still reach each other may switch machines on that read off (`power-on`), or do nothing (`off`). Nothing is ever switched off then.',
    ['power-on', 'off'],
  ).default('power-on'),
  levels: z
    .array(
      z
        .array(nodeName('A device, or `ipmi` (the section bmc), `watchdog`, `manual`.'))
        .min(1, { error: 'expected at least one name in each level' })
        .max(8, { error: 'expected at most 8 devices in one level' }),
      { error: (issue) => `expected a list of lists of device names, got ${shown(issue.input)}` },
    )
    .max(16, { error: 'expected at most 16 levels' })
    .optional()
    .meta({
      description:
        'How the others fence this machine: tried in this order; all devices of one level must read off together. Default: `ipmi` where there is a bmc, all further devices together, `watchdog` where there is one.',
      range: 'a list of lists of names, e.g. [[ipmi], [pdu-a, pdu-b], [watchdog], [manual]]',
    }),
  devices: z
    .array(
      z.strictObject({
        name: nodeName('Name of the device, as levels call it.'),
        agent: word(
          'A fence agent as ClusterLabs defines them (Debian: fence-agents), the same on every coordinator.',
          /^(fence_[a-z0-9_]{1,40}|\/[^\0\n]{1,200})$/,
          'the name of a fence agent such as fence_apc_snmp, or an absolute path',
        ),
        options: z
          .record(word('Name of the option.', optionName, 'an option name'), optionValue)
          .default({})
          .meta({ description: 'Its options, as `fence_NAME -o metadata` lists them.', range: 'name: value' }),
        secretFiles: z
          .record(word('Name of the option.', optionName, 'an option name'), path('The file.'))
          .default({})
          .meta({
            description: 'Options whose value is a secret: the file that holds it, readable by root only.',
            range: 'name: file',
          }),
        ...deviceLimits,
        timeout: durationOr('20s', 'How long one call of the agent may take.', 500, 600_000),
      }),
    )
    .max(16, { error: 'expected at most 16 devices' })
    .default([])
    .meta({ description: 'Further devices that can switch this machine off, beside its BMC.', range: 'at most 16' }),
});

export const bmc = z.strictObject({
  address: word(
    "Host name or IP address of this machine's BMC.",
    /^[A-Za-z0-9._:-]{1,253}$/,
    'a host name or an IP address',
  ),
  port: whole('UDP port of IPMI over LAN.', 1, 65_535).default(623),
  username: word(
    'Account with the level OPERATOR.',
    /^[^\0\n]{1,16}$/,
    '1 to 16 characters (IPMI allows no more)',
  ).refine((value) => utf8Length(value) <= 16, { error: 'expected at most 16 bytes (IPMI allows no more)' }),
  passwordFile: path("File with the account's password (at most 20 bytes), readable by root only."),
  cipherSuites: z
    .array(whole('suite', 1, 17))
    .min(1, { error: 'expected at least one cipher suite' })
    .default([17, 3])
    .meta({
      description: 'RMCP+ cipher suites, tried in this order; 0 (no authentication) is refused.',
      range: '1 to 17',
    }),
  privilege: choice('Privilege level asked of the BMC.', ['operator', 'administrator']).default('operator'),
  commandTimeout: durationOr('5s', 'How long one ipmitool call may take, its own retries included.', 500, 60_000),
  ...deviceLimits,
});
