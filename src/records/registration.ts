/** `nodes/<name>`: who a node is. Written by its own noded at each start, by version. */
import * as z from 'zod';
import { nodeNamePattern } from '../core/node.ts';

export const Registration = z.object({
  schema: z.literal(1),
  name: z.string().regex(nodeNamePattern),
  role: z.enum(['coordinator', 'worker']),
  priority: z.int().min(0).max(1000),
  /** One life of a noded: kernel boot id + a random id. */
  incarnation: z.string().min(1).max(120),
  bootId: z.string().max(64),
  machineId: z.string().max(64),
  hostname: z.string().max(253),
  pid: z.int(),
  version: z.string().max(40),
  intervalMs: z.int().positive(),
  action: z.enum(['reboot', 'off']),
  /** Where the noded's API answers its peers, as host:port; null: it does not. */
  apiAddress: z.string().max(300).nullable(),
  /** How long it goes on as primary after its last proof, and within what time everything has stopped after that. */
  leaseMs: z.int().min(0),
  stopBoundMs: z.int().min(0),
  /** System GUID of the machine, for the check that a BMC is this machine's; null where the machine does not tell. */
  systemGuid: z.string().max(64).nullable(),
  /** How this node is fenced, level by level: names of devices, or `watchdog`, or `manual`. */
  levels: z.array(z.array(z.string().max(63)).min(1).max(8)).max(16),
  /** The devices in clear, for people and for the check of shared ones. */
  devices: z
    .array(z.object({ name: z.string().max(63), kind: z.enum(['ipmi', 'agent']), where: z.string().max(600) }))
    .max(17),
  /** The devices with their passwords (records/device.ts), sealed with the cluster key (AES-256-GCM); null: none. */
  devicesSealed: z.string().max(65_536).nullable(),
  /**
   * Within what time after its last acknowledged keepalive this life certainly holds nothing any more, because its watchdog is
   * armed; null: nobody may rely on that.
   */
  watchdogBoundMs: z.int().positive().nullable(),
  /** Where it takes guests in, and what memory it keeps back for itself; null: it runs no VMs. */
  vms: z
    .object({ address: z.string().max(255), reservedMiB: z.int().min(0) })
    .nullable()
    .default(null),
});
export type Registration = z.output<typeof Registration>;

/** `nodes/<name>/session`: ephemeral; present while that noded's session lives. Names who holds the node's name. */
export const SessionHolder = z.object({
  schema: z.literal(1),
  incarnation: z.string().max(120),
  bootId: z.string().max(64),
  machineId: z.string().max(64),
  /** As in the registration; absent: an older version. */
  systemGuid: z.string().max(64).nullable().optional(),
  hostname: z.string().max(253),
  pid: z.int(),
});
export type SessionHolder = z.output<typeof SessionHolder>;
