/** The store: where ZooKeeper is, and how it is spoken to. */
import * as z from 'zod';
import { command, duration, durationOr, path, shown, word } from '../fields.ts';

const tls = z
  .strictObject({
    caFile: path('Who signed the certificates of the servers (PEM). Each must bear the name that `servers` gives.'),
    certificateFile: path(
      "This machine's certificate (PEM), where the servers ask for one (`ssl.clientAuth=need`). Read anew at each connection.",
    ).optional(),
    keyFile: path("The certificate's private key (PEM), mode 0600.").optional(),
    subjects: z
      .array(word('a subject', /^[^\0\n]{1,200}$/, 'a subject such as CN=backup,O=example'))
      .max(32, { error: 'expected at most 32 subjects' })
      .default([])
      .meta({
        description:
          'Certificates with these subjects may touch the tree without the cluster key (x509 ACLs). nodekeeper itself needs none.',
        range: 'at most 32',
      }),
  })
  .superRefine(({ certificateFile, keyFile }, context) => {
    if ((certificateFile === undefined) === (keyFile === undefined)) return;
    const key = certificateFile === undefined ? 'certificateFile' : 'keyFile';
    context.addIssue({ code: 'custom', path: [key], message: 'certificateFile and keyFile go together' });
  });

const hostPort = (text: string) =>
  word(text, /^[A-Za-z0-9._-]+:\d{1,5}$/, 'host:port (a host name or an IPv4 address)');

const fields = z.strictObject({
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
  restartCommand: command(
    'Restarts the ZooKeeper server of this machine (NODEKEEPER_SERVER), such as [systemctl, restart, zookeeper]. A coordinator runs it once when this server hangs: it does not refuse connections and serves nobody, every other coordinator that answers sees the same, and most of the servers serve without it. At most once an hour, one server at a time. What it starts must not be a child of noded.',
  ).optional(),
  restartAfter: durationOr(
    '2m',
    'How long the server must hang before that. Longer than it takes to start: `initLimit` x `tickTime`, and its data.',
    10_000,
    3_600_000,
  ),
  restartTimeout: durationOr(
    '60s',
    'How long `restartCommand` may take before it is killed with its process group.',
    1000,
    3_600_000,
  ),
  ownServer: hostPort(
    'Which of `servers` runs on this machine. Default: the only one whose host is this machine, by name or address.',
  ).optional(),
  tls: tls.optional().meta({ description: 'TLS to the ZooKeeper servers (their `secureClientPort`).' }),
});

export const zookeeper = fields.superRefine(({ servers, ownServer, restartCommand }, context) => {
  if (ownServer !== undefined && !servers.includes(ownServer))
    context.addIssue({ code: 'custom', path: ['ownServer'], message: `${ownServer} is not among servers` });
  if (restartCommand !== undefined && servers.length < 3)
    context.addIssue({
      code: 'custom',
      path: ['restartCommand'],
      message: `needs at least 3 servers, ${servers.length} configured: a restart must leave a majority`,
    });
});
