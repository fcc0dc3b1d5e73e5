/**
 * Whether an API address leads to the node that registers it (S1). A loopback address leads every other machine to itself, and one
 * address of two nodes leads to one of them. What cannot be seen from the text (a name, a redirect) is found by who answers.
 */
import type { Decision } from './decision.ts';
import { decide } from './decision.ts';

export interface ApiPlace {
  readonly name: string;
  readonly machineId: string;
  /** host:port; null: it answers nobody. */
  readonly apiAddress: string | null;
}

/** `all`: every registered node; the node itself may be among them. */
export function judgeApiAddress(own: ApiPlace, all: readonly ApiPlace[]): Decision<'own' | 'leads-elsewhere'> {
  const { name, machineId, apiAddress } = own;
  if (apiAddress === null) return decide('own', `${name} has registered no API address`);
  const others = all.filter((other) => other.name !== name);
  const place = placeOf(apiAddress);
  const same = others.filter((other) => other.apiAddress !== null && placeOf(other.apiAddress) === place);
  if (same.length > 0) {
    const names = same.map((other) => other.name).join(', ');
    return decide('leads-elsewhere', `${name} and ${names} have the same API address ${apiAddress}: set api.address`);
  }
  const elsewhere = others.find((other) => other.machineId !== machineId);
  if (elsewhere !== undefined && leadsToWhoeverAsks(hostOf(apiAddress)))
    return decide(
      'leads-elsewhere',
      `the API address ${apiAddress} of ${name} leads ${elsewhere.name} back to itself: set api.address`,
    );
  return decide('own', `${apiAddress} is the API address of ${name} alone`);
}

/** Loopback, or no address at all: on every machine it means that machine. */
export function leadsToWhoeverAsks(host: string): boolean {
  const bare = host.toLowerCase().replace(/\.$/, '');
  return (
    /^(localhost|.*\.localhost|localhost\..*|ip6-localhost|ip6-loopback)$/.test(bare) ||
    /^127(\.\d{1,3}){0,3}$/.test(bare) ||
    /^0(\.0){0,3}$/.test(bare) ||
    /^(0{0,4}:){1,7}0{0,3}[01]?$/.test(bare) ||
    /^::ffff:(127|0\.0)\./.test(bare)
  );
}

function hostOf(apiAddress: string): string {
  return apiAddress.slice(0, apiAddress.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
}

/** As two spellings of one place are compared: names without regard to case. */
function placeOf(apiAddress: string): string {
  return `${hostOf(apiAddress).toLowerCase().replace(/\.$/, '')}:${apiAddress.slice(apiAddress.lastIndexOf(':') + 1)}`;
}
