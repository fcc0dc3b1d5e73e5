/**
 * Every key of the configuration: type, default, range and a sentence. This is the one source of the parser, of
 * docs/configuration.md, of `nodectl config schema` and of the check of config.example.yaml.
 *
 * Keys whose default hangs on other keys are optional here and filled in by timing.ts.
 */
import * as z from 'zod';
import { choice, command, duration, durationOr, flag, nodeName, path, whole, word } from './fields.ts';
import { bmc, fencing } from './sections/fencing.ts';
import { primary } from './sections/primary.ts';
import { vms } from './sections/vms.ts';
import { web } from './sections/web.ts';
import { zookeeper } from './sections/zookeeper.ts';

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
  web: web.prefault({}).meta({ description: 'What noded shows to programs, load balancers, Prometheus and browsers.' }),
  vms: vms.prefault({}).meta({ description: 'The VMs that nodekeeper keeps, through libvirt.' }),
  bmc: bmc.optional().meta({ description: "This machine's BMC: how its peers fence it. Without it nobody can." }),
  history: history.prefault({}).meta({ description: 'The record of what happened.' }),
  log: log.prefault({}).meta({ description: "noded's log (to standard output)." }),
});

/** The configuration as written, with plain defaults filled in. Durations are in ms. */
export type WrittenConfig = z.output<typeof configSchema>;
