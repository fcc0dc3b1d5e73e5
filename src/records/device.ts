/**
 * The devices that can switch a node off, as its own noded publishes them: sealed with the cluster key, for there are
 * passwords in them. Who fences opens the seal.
 */
import * as z from 'zod';

/** What is the same for every kind of device. */
const common = {
  /** As the levels call it. */
  name: z.string().max(63),
  /** How long one call may take. */
  commandTimeoutMs: z.int().positive(),
  /** Waited once before the first order to go off. */
  delayMs: z.int().min(0),
  /** How often the order to go off may be repeated. */
  retries: z.int().min(0),
};

/** A BMC, reached by IPMI over LAN. */
export const IpmiDevice = z.object({
  kind: z.literal('ipmi'),
  ...common,
  address: z.string(),
  port: z.int(),
  username: z.string(),
  password: z.string(),
  cipherSuites: z.array(z.int()).min(1),
  privilege: z.enum(['operator', 'administrator']),
});
export type IpmiDevice = z.output<typeof IpmiDevice>;

/** Anything that a ClusterLabs fence agent can switch. */
export const AgentDevice = z.object({
  kind: z.literal('agent'),
  ...common,
  /** `fence_NAME`, or the absolute path of a program that speaks the same way. */
  agent: z.string().max(201),
  options: z.record(z.string(), z.string()),
  /** Options whose value must never be seen (S10). */
  secrets: z.record(z.string(), z.string()),
});
export type AgentDevice = z.output<typeof AgentDevice>;

export const FenceDevice = z.discriminatedUnion('kind', [IpmiDevice, AgentDevice]);
export type FenceDevice = z.output<typeof FenceDevice>;

/** What is sealed into the registration. */
export const SealedDevices = z.object({ devices: z.array(FenceDevice).max(17) });
export type SealedDevices = z.output<typeof SealedDevices>;

/** All devices of a node in one word: another word, other devices. */
export function placesOf(devices: readonly { readonly name: string; readonly where: string }[]): string {
  return devices.map(({ name, where }) => `${name} ${where}`).join('; ');
}

/** Where a device is, for people; never contains a secret. */
export function whereIs(device: FenceDevice): string {
  if (device.kind === 'ipmi') return `${device.address}:${device.port}`;
  const { options } = device;
  const host = options['ip'] ?? options['ipaddr'] ?? options['ipaddress'];
  const plug = options['plug'] ?? options['port'];
  return [device.agent, ...(host === undefined ? [] : [host]), ...(plug === undefined ? [] : [`plug ${plug}`])].join(
    ' ',
  );
}

/** What a seal is bound to: devices of one node are not those of another. */
export const sealContext = (node: string) => `devices ${node}`;
