/**
 * Every key of the configuration: type, default, range and a sentence. This is the one source of the parser, of
 * docs/configuration.md, of `nodectl config schema` and of the check of config.example.yaml.
 *
 * Keys whose default hangs on other keys are optional here and filled in by timing.ts.
 */
import { z } from 'zod';
import { nodeNamePattern } from '../core/node.ts';
import { parseDuration, printDuration } from './duration.ts';

/** A duration with its range; parsed to ms. The range is part of the published schema. */
function duration(text: string, minMs: number, maxMs: number) {
  const range = `${printDuration(minMs)} to ${printDuration(maxMs)}`;
  return z
    .string({ error: (issue) => `expected a duration such as 5s or 400ms, got ${shown(issue.input)}` })
    .transform((value, context) => {
      const ms = parseDuration(value);
      if (ms !== null && ms >= minMs && ms <= maxMs) return ms;
      const wanted = ms === null ? 'a duration such as 5s or 400ms' : `a duration from ${range}`;
      context.addIssue({ code: 'custom', message: `expected ${wanted}, got ${shown(value)}` });
      return z.NEVER;
    })
    .meta({ description: text, unit: 'duration', range });
}

/** A duration with a fixed default. */
function durationOr(fallback: string, text: string, minMs: number, maxMs: number) {
  return duration(text, minMs, maxMs)
    .prefault(fallback)
    .meta({ description: text, unit: 'duration', range: `${printDuration(minMs)} to ${printDuration(maxMs)}` });
}

function whole(text: string, min: number, max: number) {
  const message = `expected a whole number from ${min} to ${max}`;
  const error = (issue: { input?: unknown }) => `${message}, got ${shown(issue.input)}`;
  return z
    .int({ error })
    .min(min, { error })
    .max(max, { error })
    .meta({ description: text, range: `${min} to ${max}` });
}

function flag(text: string, fallback: boolean) {
  return z
    .boolean({ error: (issue) => `expected true or false, got ${shown(issue.input)}` })
    .default(fallback)
    .meta({ description: text });
}

function word(text: string, pattern: RegExp, wanted: string) {
  const error = (issue: { input?: unknown }) => `expected ${wanted}, got ${shown(issue.input)}`;
  return z.string({ error }).regex(pattern, { error }).meta({ description: text, range: wanted });
}

function shown(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}

const choice = <const T extends readonly [string, ...string[]]>(text: string, values: T) =>
  z
    .enum(values, { error: (issue) => `expected one of ${values.join(', ')}; got ${shown(issue.input)}` })
    .meta({ description: text, range: values.join(', ') });

const path = (text: string) => word(text, /^\/[^\0\n]*$/, 'an absolute path');
const nodeName = (text: string) =>
  word(text, nodeNamePattern, 'a name of lower-case letters, digits, dots and hyphens (at most 63), as in host names');
const command = (text: string) =>
  z
    .array(z.string({ error: (issue) => `expected a word of the command, got ${shown(issue.input)}` }), {
      error: (issue) => `expected a list: the program and its arguments, got ${shown(issue.input)}`,
    })
    .min(1, { error: 'expected at least the program' })
    .meta({ description: text, range: 'a list: the program and its arguments; never passed through a shell' });

const cluster = z.strictObject({
  name: nodeName('Name of the cluster; the same on every machine. It is part of the path in ZooKeeper.'),
  keyFile: path(
    'File with the cluster key (`nodectl keygen`); the same on every machine, readable by root only.',
  ).default('/etc/nodekeeper/cluster.key'),
});

const node = z.strictObject({
  name: nodeName('Name of this machine in the cluster. Default: the first label of its host name.').optional(),
  stateDir: path('Directory on a disk that survives a reboot; noded keeps a few small files there.').default(
    '/var/lib/nodekeeper',
  ),
  resetCommand: command(
    'Resets this machine at once, without stopping anything in good order: the last resort for what cannot be stopped.',
  ).default(['systemctl', 'reboot', '--force', '--force']),
  resetBySysrq: flag(
    'Whether the kernel is asked directly (/proc/sysrq-trigger) when that command does not work.',
    true,
  ),
  watchdog: z
    .strictObject({
      device: path('The watchdog device.').default('/dev/watchdog'),
      timeout: durationOr(
        '10s',
        'How long after the last sign from noded it resets the machine. Whole seconds.',
        1000,
        600_000,
      ),
    })
    .optional()
    .meta({
      description:
        'The watchdog that resets this machine when noded hangs, or when it can no longer prove that it may hold what it holds.',
    }),
  role: choice('`coordinator` may be primary, observes and fences; `worker` is only observed.', [
    'coordinator',
    'worker',
  ]).default('coordinator'),
  priority: whole(
    'Rank of a coordinator: the lower, the earlier it observes, fences and stands for primary.',
    0,
    1000,
  ).default(100),
});

const zookeeper = z.strictObject({
  servers: z
    .array(word('host:port', /^[A-Za-z0-9._-]+:\d{1,5}$/, 'host:port (a host name or an IPv4 address)'), {
      error: (issue) => `expected a list of host:port, got ${shown(issue.input)}`,
    })
    .min(1, { error: 'expected at least one host:port' })
    .meta({ description: 'The ZooKeeper servers, each as host:port.', range: 'a list of host:port' }),
  root: word(
    'Where the tree begins; the cluster name is appended.',
    /^(\/[A-Za-z0-9._-]+)+$/,
    'a ZooKeeper path',
  ).default('/nodekeeper'),
  tickTime: durationOr(
    '2s',
    "ZooKeeper's own `tickTime`, as in its zoo.cfg; no session may be shorter than 4 of them.",
    100,
    10_000,
  ),
  sessionTimeout: duration(
    'Session timeout asked of ZooKeeper. Default: a third of the detection time, at least 4 ticks and 2s.',
    1000,
    60_000,
  ).optional(),
  connectTimeout: duration(
    'How long one server may take to accept a connection. Default: a tenth of the session timeout, at least 200ms.',
    100,
    10_000,
  ).optional(),
});

const keepalive = z.strictObject({
  interval: durationOr('5s', 'The beat: every node publishes a keepalive this often.', 200, 60_000),
});

const subsystem = (what: string, enabled: boolean) =>
  z.strictObject({
    enabled: flag(`Whether ${what} is collected into the keepalive.`, enabled),
    timeout: durationOr(
      '2s',
      'How long one collection may take before it is killed with its process group.',
      100,
      60_000,
    ),
  });

const subsystems = z.strictObject({
  system: subsystem('load and memory of the machine', true).prefault({}),
  ceph: subsystem('the health of Ceph (`ceph health`, `ceph osd dump`)', false).prefault({}),
  libvirt: subsystem('libvirt (`virsh`)', false).prefault({}),
  ipmi: subsystem("the machine's own BMC", false).prefault({}),
  commands: z
    .array(
      z.strictObject({
        name: nodeName('Name of the subsystem.'),
        command: command('The command; exit 0 is ok, 1 a warning, anything else an error; its first line is shown.'),
        timeout: durationOr('2s', 'How long it may take before it is killed with its process group.', 100, 60_000),
      }),
    )
    .max(32, { error: 'expected at most 32 commands' })
    .default([])
    .meta({ description: 'Further commands of yours whose result travels in the keepalive.', range: 'at most 32' }),
});

const detection = z.strictObject({
  savingThrows: whole(
    'Failed saving throws (intervals without a new keepalive) until the verdict is dead.',
    2,
    100,
  ).default(6),
  quietPeriod: duration(
    'After own start, and after a lost session, nothing is counted for this long. Default: session timeout + 2 intervals.',
    0,
    3_600_000,
  ).optional(),
  startDeadline: durationOr(
    '5m',
    'How long a starting node may be silent before its silence counts.',
    1000,
    86_400_000,
  ),
});

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

const fencing = z.strictObject({
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
  verifyInterval: durationOr('5m', 'How often it is proved anew that fencing would work.', 5000, 86_400_000),
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

const bmc = z.strictObject({
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
        status: command('Exit 0: it runs; 3: it is stopped; anything else: not known.'),
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

const primary = z.strictObject({
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

const api = z.strictObject({
  enabled: flag('Whether noded answers its peers over the network (election status, failsafe).', true),
  address: word(
    'Host name or IP address at which the peers reach it. Default: the host name.',
    /^[A-Za-z0-9._:-]{1,253}$/,
    'a host name or an IP address',
  ).optional(),
  port: whole('TCP port.', 1, 65_535).default(7480),
  socket: path('Socket for nodectl on this machine.').default('/run/nodekeeper/noded.sock'),
});

const history = z.strictObject({
  maxEvents: whole('Events kept in the store; older ones are removed.', 100, 100_000).default(2000),
});

const log = z.strictObject({
  level: choice('Least level that is written.', ['debug', 'info', 'warn', 'error']).default('info'),
});

export const configSchema = z.strictObject({
  cluster: cluster.meta({ description: 'The cluster that this machine belongs to.' }),
  node: node.prefault({}).meta({ description: 'This machine.' }),
  zookeeper: zookeeper.meta({ description: 'The store.' }),
  keepalive: keepalive.prefault({}).meta({ description: 'The keepalive.' }),
  subsystems: subsystems
    .prefault({})
    .meta({ description: 'What is collected beside the keepalive and travels in it.' }),
  detection: detection.prefault({}).meta({ description: 'When a silent node is held for dead.' }),
  fencing: fencing.prefault({}).meta({ description: 'What is done about it.' }),
  primary: primary
    .prefault({})
    .meta({ description: 'The primary role: what runs on the one coordinator that holds it.' }),
  api: api.prefault({}).meta({ description: 'How a noded answers its peers and nodectl, beside the store.' }),
  bmc: bmc.optional().meta({ description: "This machine's BMC: how its peers fence it. Without it nobody can." }),
  history: history.prefault({}).meta({ description: 'The record of what happened.' }),
  log: log.prefault({}).meta({ description: "noded's log (to standard output)." }),
});

/** The configuration as written, with plain defaults filled in. Durations are in ms. */
export type WrittenConfig = z.output<typeof configSchema>;

/** How many bytes a text takes in UTF-8: IPMI counts bytes, not characters. */
export function utf8Length(text: string): number {
  return encodeURIComponent(text).replace(/%../g, '_').length;
}
