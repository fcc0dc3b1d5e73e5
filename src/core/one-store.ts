/**
 * S12: whether a ZooKeeper server belongs to the one store that this node uses. The tree holds a random cluster id, and each node
 * remembers it on its own disk. What is decided here, and why each case is decided so: docs/decisions/0011-one-store.md.
 */

/** What this node remembers of its store. */
export interface KnownStore {
  readonly id: string;
  /** Ids that this one replaced, the newest first: stores that were recreated or restored. */
  readonly before: readonly string[];
  /** The configured servers when it was last used. */
  readonly servers: readonly string[];
}

/** What a server shows in the place of the cluster id. */
export type ShownId =
  | { readonly kind: 'id'; readonly id: string; readonly before: readonly string[] }
  | { readonly kind: 'none' }
  | { readonly kind: 'unreadable'; readonly because: string }
  | { readonly kind: 'no-answer'; readonly because: string };

export interface PolledServer {
  readonly server: string;
  readonly shown: ShownId;
}

export type StoreJudgement =
  | { readonly act: 'use' }
  /** Every configured server is asked first, one by one. */
  | { readonly act: 'poll' }
  /** A new id is written, with these ids before it; then it is judged again. */
  | { readonly act: 'make'; readonly before: readonly string[] }
  /** This id is remembered, and the server used. `because`: what became of the store; null: it is new to this node. */
  | { readonly act: 'adopt'; readonly known: KnownStore; readonly because: string | null }
  /** `isLasting`: it belongs to another store; else more servers have to answer first. */
  | { readonly act: 'refuse'; readonly because: string; readonly isLasting: boolean };

interface Asked {
  readonly server: string;
  /** Null: nothing is remembered. */
  readonly known: KnownStore | null;
  readonly shown: ShownId;
  /** The configured servers. */
  readonly servers: readonly string[];
  /** Null: nobody was asked yet. */
  readonly polled: readonly PolledServer[] | null;
}

const idsMax = 16;

/** Whether `server` may be used, by the cluster id that it shows. */
export function judgeStore(asked: Asked): StoreJudgement {
  const { server, known, shown, polled } = asked;
  if (shown.kind === 'no-answer') return refuse(`${server} did not tell its cluster id: ${shown.because}`, false);
  if (shown.kind === 'id') {
    if (shown.id === known?.id) return { act: 'use' };
    if (known !== null && !isSameStore(known, shown))
      return refuse(
        `${server} belongs to another store: its cluster id is ${shown.id}, this node's is ${known.id}`,
        true,
      );
  }
  if (shown.kind === 'unreadable' && known === null)
    return refuse(`the cluster id of ${server} cannot be read: ${shown.because}`, false);
  if (polled === null) return { act: 'poll' };
  const own = known === null ? undefined : polled.find((one) => one.shown.kind === 'id' && one.shown.id === known.id);
  if (own !== undefined)
    return refuse(`${server} ${inWords(shown)}, and ${own.server} still holds this node's, ${known?.id}`, true);
  return shown.kind === 'id' ? judgeAdoption(asked, shown, polled) : judgeMaking(asked, polled);
}

/** Another id than the remembered one, or the first one ever: most of the configured servers must show it. */
function judgeAdoption(
  { server, known, servers }: Asked,
  shown: Extract<ShownId, { kind: 'id' }>,
  polled: readonly PolledServer[],
): StoreJudgement {
  const isSame = ({ shown: other }: PolledServer) => other.kind === 'id' && other.id === shown.id;
  const lacking = tooFew(servers, polled, isSame);
  if (lacking !== null)
    return refuse(`${server} shows cluster id ${shown.id}, which this node does not use yet: ${lacking}`, false);
  const before = known === null ? shown.before : merged([...shown.before, known.id, ...known.before], shown.id);
  const because =
    known === null
      ? null
      : `ZooKeeper was recreated, or restored from an old copy: cluster id ${shown.id} takes the place of ${known.id}`;
  return { act: 'adopt', known: { id: shown.id, before, servers }, because };
}

/** No id: a new store, or a recreated one. Most of the configured servers must have none either. */
function judgeMaking({ server, known, shown, servers }: Asked, polled: readonly PolledServer[]): StoreJudgement {
  const isBlank = ({ shown: other }: PolledServer) =>
    other.kind === 'none' || (other.kind === 'unreadable' && known !== null);
  const lacking = tooFew(servers, polled, isBlank);
  if (lacking !== null) return refuse(`${server} ${inWords(shown)}: ${lacking}`, false);
  if (known === null) return { act: 'make', before: [] };
  const kept = servers.filter((one) => known.servers.includes(one));
  if (kept.length <= servers.length / 2)
    return refuse(
      `${server} holds no cluster id, and this node has used ${known.id} on ${known.servers.join(', ')}: another store is not taken for that one`,
      true,
    );
  return { act: 'make', before: merged([known.id, ...known.before], null) };
}

/** Why these are not more than half of the configured servers; null: they are. */
function tooFew(
  servers: readonly string[],
  polled: readonly PolledServer[],
  isOne: (polled: PolledServer) => boolean,
): string | null {
  const found = polled.filter(isOne).length;
  const needed = Math.floor(servers.length / 2) + 1;
  if (found >= needed) return null;
  const others = polled.filter((one) => !isOne(one)).map((one) => `${one.server} ${inWords(one.shown)}`);
  return `${found} of ${servers.length} configured servers show the same, ${needed} are needed (${others.join('; ')})`;
}

/** It is the remembered one, or one came from the other, by being recreated or by an old copy. */
export function isSameStore(
  known: KnownStore,
  shown: { readonly id: string; readonly before: readonly string[] },
): boolean {
  return shown.id === known.id || shown.before.includes(known.id) || known.before.includes(shown.id);
}

function merged(ids: readonly string[], without: string | null): string[] {
  return [...new Set(ids)].filter((id) => id !== without).slice(0, idsMax);
}

/** What a server shows, for people: "node1:2181 ...". */
export function inWords(shown: ShownId): string {
  if (shown.kind === 'id') return `shows cluster id ${shown.id}`;
  if (shown.kind === 'none') return 'holds no cluster id';
  return shown.kind === 'unreadable' ? `holds an unparsable cluster id (${shown.because})` : `did not answer`;
}

function refuse(because: string, isLasting: boolean): StoreJudgement {
  return { act: 'refuse', because, isLasting };
}
