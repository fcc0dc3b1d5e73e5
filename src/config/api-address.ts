/**
 * What the configuration of one node tells about its API address: whether other machines would be led elsewhere (core/api-address.ts).
 * For `config check` only: a noded that is running goes on, and does not count what is answered there.
 */
import { leadsToWhoeverAsks } from '../core/api-address.ts';
import type { WrittenConfig } from './schema.ts';

export function apiAddressComplaints({ api, zookeeper, primary }: WrittenConfig): string[] {
  const { address } = api;
  if (!api.enabled || address === undefined) return [];
  const hosts = zookeeper.servers.map((server) => server.slice(0, server.lastIndexOf(':')).replace(/^\[|\]$/g, ''));
  // Everything on one machine, for a trial: loopback leads there indeed.
  if (leadsToWhoeverAsks(address) && !hosts.every(leadsToWhoeverAsks))
    return [`api.address: ${address} leads every other node back to itself; give the address of this machine`];
  const moving = primary.resources.find(
    (resource) => resource.type === 'address' && resource.address.split('/')[0] === address,
  );
  if (moving !== undefined)
    return [`api.address: ${address} moves with the primary role (${moving.name}); give the address of this machine`];
  return [];
}
