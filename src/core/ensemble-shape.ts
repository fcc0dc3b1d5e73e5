/**
 * S12: whether what a ZooKeeper server says of its ensemble fits the servers that are configured. Only what certainly contradicts is
 * refused, for servers may be configured by other names and addresses than their own configuration has: the cluster id
 * (one-store.ts) is the protection that counts.
 */

/** What a server tells of itself without a session. */
export interface ServerShape {
  /** From `srvr`: `leader`, `follower`, `standalone`, ...; null: it does not say. */
  readonly mode: string | null;
  /** Hosts of its ensemble's servers, from `/zookeeper/config`; null: they could not be read. */
  readonly members: readonly string[] | null;
}

export interface ShapeFinding {
  /** Null: nothing contradicts. */
  readonly refused: string | null;
  /** What could not be compared, or does not fit for certain; null: nothing. */
  readonly doubt: string | null;
}

/** Whether `server` can belong to an ensemble of the `configured` servers (host:port each). */
export function judgeShape(server: string, configured: readonly string[], shape: ServerShape): ShapeFinding {
  if (configured.length < 2) return { refused: null, doubt: null };
  const last = configured.length;
  if (shape.mode === 'standalone')
    return {
      refused: `${server} is a standalone server, and ${last} servers are configured: its zoo.cfg needs server.1 to server.${last}, the same lines on all of them`,
      doubt: null,
    };
  if (shape.members === null || shape.members.length === 0)
    return { refused: null, doubt: shape.mode === null ? `${server} tells neither its mode nor its members` : null };
  return judgeMembers(server, configured, shape.members);
}

function judgeMembers(server: string, configured: readonly string[], members: readonly string[]): ShapeFinding {
  const compared = configured.map((one) => ({ one, is: isMember(hostOf(one), members) }));
  const strangers = compared.filter(({ is }) => is === false).map(({ one }) => one);
  if (strangers.length === 0) return { refused: null, doubt: null };
  const sentence = `the ensemble of ${server} has the members ${members.join(', ')}, and not the configured ${strangers.join(', ')}`;
  // Without one in common, the two lists may name the same machines in different ways.
  const isComparable = compared.some(({ is }) => is === true);
  const isCertain = isComparable && strangers.length > configured.length / 2;
  return isCertain ? { refused: sentence, doubt: null } : { refused: null, doubt: sentence };
}

/** Null: a name and an address cannot be compared, nor can an address that stands for every one of a machine. */
function isMember(host: string, members: readonly string[]): boolean | null {
  const known = members.filter((member) => !isAnyAddress(member));
  if (known.some((member) => isSameHost(host, member))) return true;
  const comparable = known.length === members.length && known.every((member) => isAddress(member) === isAddress(host));
  return comparable && !isAnyAddress(host) ? false : null;
}

/** A short name is the same as a long one that begins with it. */
export function isSameHost(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  if (a === b) return true;
  if (isAddress(a) || isAddress(b)) return false;
  return a.startsWith(`${b}.`) || b.startsWith(`${a}.`);
}

const isAddress = (host: string): boolean => /^[\d.]+$/.test(host) || host.includes(':');
/** Of the machine that says it: each machine means another one. */
const isAnyAddress = (host: string): boolean =>
  /^(0\.0\.0\.0|::|127\.[\d.]+|::1|localhost)$/i.test(host.replace(/^\[(.*)\]$/, '$1'));

export const hostOf = (server: string): string => server.replace(/:\d+$/, '');

/** Hosts of `server.N=` lines, as ZooKeeper writes them into `/zookeeper/config`. */
export function membersOf(text: string): string[] {
  const found = text.matchAll(/^server\.\d+\s*=\s*(\[[^\]]*\]|[^:;\s]+)/gm);
  return [...new Set([...found].map(([, host = '']) => host))].slice(0, 100);
}
