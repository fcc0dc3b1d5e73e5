/** `vms`: guests of libvirt that the cluster keeps. */
import * as z from 'zod';
import { selectors } from '../../core/placement.ts';
import type { Selector } from '../../core/placement.ts';
import { choice, command, durationOr, flag, whole, word } from '../fields.ts';

export const vms = z.strictObject({
  enabled: flag('Whether this node runs VMs of the cluster.', false),
  uri: word(
    'How its own libvirt is reached.',
    /^[a-z0-9+]+:\/\/[^\s]*$/,
    "a libvirt URI such as 'qemu:///system'",
  ).default('qemu:///system'),
  address: word(
    'Where the other nodes reach this one for migrations. Default: the name of the node.',
    /^[A-Za-z0-9_.:-]{1,253}$/,
    'a host name or address',
  ).optional(),
  migrationUri: word(
    "How the libvirt of another node is reached; `{address}` stands for that node's `vms.address`.",
    /^[a-z0-9+]+:\/\/[^\s]*\{address\}[^\s]*$/,
    "a libvirt URI with {address}, such as 'qemu+tls://{address}/system'",
  ).default('qemu+tls://{address}/system'),
  migrationOptions: z
    .array(word('An option of virsh migrate.', /^--?[a-z][\w=.,:/-]*$|^\d[\w.]*$/, 'an option of virsh migrate'))
    .max(20, { error: 'expected at most 20 words' })
    .default([])
    .meta({ description: 'Further options of `virsh migrate`, word by word, e.g. [--auto-converge].' }),
  checkInterval: durationOr('5s', 'Every so often the guests are compared with the records.', 200, 60_000),
  commandTimeout: durationOr('10s', 'How long a question to libvirt may take.', 500, 300_000),
  startTimeout: durationOr('60s', 'How long defining, starting or switching off a guest may take.', 1000, 3_600_000),
  shutdownTimeout: durationOr(
    '90s',
    'How long a guest may take to shut down when it is asked to; then it is switched off.',
    1000,
    3_600_000,
  ),
  liveTimeout: durationOr('10m', 'How long a live migration may take; then it is called off.', 1000, 86_400_000),
  stallTimeout: durationOr(
    '30s',
    'A live migration of which nothing is copied for so long is called off: a libvirt that hangs on the other side.',
    1000,
    3_600_000,
  ),
  prepareTimeout: durationOr('30s', 'How long the target of a migration may take to get ready.', 1000, 600_000),
  maxStarts: whole(
    'A guest that is gone again is started at most so often within ten minutes; then the VM has failed.',
    1,
    100,
  ).default(3),
  startsAtOnce: whole('Guests that are started on this node at the same time.', 1, 100).default(4),
  reservedMemory: whole('MiB of memory that are kept back for the machine itself.', 0, 10_000_000).default(1024),
  selector: choice(
    'How the target of a VM is chosen that does not say so itself.',
    Object.keys(selectors) as [Selector, ...Selector[]],
  ).default('mem'),
  storageFence: z
    .strictObject({
      command: command(
        'Cuts a fenced node (NODEKEEPER_NODE) from the shared storage before its VMs start elsewhere: breaks its locks, closes its clients. Exit 0 is success; else they do not start. The fencing coordinator runs it, so it is the same on all.',
      ),
      timeout: durationOr('30s', 'How long it may take before it is killed with its process group.', 100, 3_600_000),
    })
    .optional()
    .meta({ description: 'Cutting a fenced node from the shared storage.' }),
  flushOnShutdown: flag('Whether VMs are moved away when noded is told to stop. Otherwise they go on running.', false),
  flushTimeout: durationOr('10m', 'How long that may take before noded stops all the same.', 1000, 86_400_000),
});
