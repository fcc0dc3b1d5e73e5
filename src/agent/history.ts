/**
 * Writes what happened to the store's history and to the log, in the same words. Events are few and carry their own
 * time, so up to `outboxMax` of them wait for a store that is away (they rest on no read: S6 is not touched).
 */
import type { Evidence } from '../core/decision.ts';
import type { Clock } from '../environment/clock.ts';
import type { Log } from '../environment/log.ts';
import type { Metrics } from '../environment/metrics.ts';
import type { Store } from '../environment/store.ts';
import type { EventKind, HistoryEvent } from '../records/history.ts';
import { HistoryEvent as HistoryEventSchema } from '../records/history.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';

const outboxMax = 200;
/** So many corrupt records are remembered as told. */
const unreadableMax = 200;
/** An event whose answer was lost is among so many: every node writes a few in the time of a connection. */
const newestLooked = 100;
/** After this many events of its own a node looks whether the history has grown over its limit. */
const trimEvery = 50;
const alarming: readonly EventKind[] = [
  'fence-failed',
  'bmc-lies',
  'device-distrusted',
  'api-address',
  'never-came-up',
  'record-unreadable',
  'store-set-back',
  'store-contradicts',
  'store-refused',
  'stepped-down',
  'vm-failed',
  'vm-stranded',
];
const notable: readonly EventKind[] = [
  'verdict',
  'fence-intent',
  'guard-held',
  'request-refused',
  'fence-cancelled',
  'observer-reset',
  'quorum',
  'zookeeper-restart',
];

export interface HappenedFacts {
  readonly node?: string | null;
  readonly fenceId?: string | null;
  readonly evidence?: Evidence;
}

export interface History {
  happened(kind: EventKind, because: string, facts?: HappenedFacts): void;
  /** Sends what waits; returns when nothing is left to send or the store is away. */
  flush(): Promise<void>;
}

/** What a history needs of the environment. */
interface Means {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createHistory(
  { name: by, incarnation }: { readonly name: string; readonly incarnation: string },
  { store, clock, log, metrics }: Means,
  maxEvents: number,
): History {
  const outbox: HistoryEvent[] = [];
  /** A record that cannot be read is told once, not at every beat that reads it. */
  const unreadableTold = new Set<string>();
  let numbered = 0;
  let dropped = 0;
  let written = 0;
  let flushing: Promise<void> | null = null;

  /** The event whose answer was lost. */
  let unclear: string | null = null;

  const send = async () => {
    for (let event = outbox[0]; event !== undefined; event = outbox[0]) {
      const stands: boolean | null = event.writeId === unclear ? await isWritten(store, event) : false;
      if (stands === null) return;
      if (!stands) {
        const made = await store.create(`${tree.history}/e-`, printRecord(event), 'persistent-sequential');
        if (!made.ok) {
          if (made.code === 'unclear') unclear = event.writeId ?? null;
          // A server that lacks the branch may refuse what the store has done (STORE10): it is found out by this.
          if (made.code === 'no-node') await store.create(tree.history, '', 'persistent');
          return;
        }
      }
      unclear = null;
      outbox.shift();
      written += 1;
      if (written % trimEvery === 0) await trim(store, maxEvents);
    }
  };
  const flush = () => (flushing ??= send().finally(() => (flushing = null)));

  return {
    happened(kind, because, facts = {}) {
      const { node = null, fenceId = null, evidence = {} } = facts;
      if (kind === 'record-unreadable') {
        if (unreadableTold.has(because)) return;
        unreadableTold.add(because);
        // The oldest makes room: a bound that told nothing any more would hide the next corrupt record.
        if (unreadableTold.size > unreadableMax) unreadableTold.delete([...unreadableTold][0] ?? '');
      }
      metrics.count('nodekeeper_events_total', { kind });
      const level = alarming.includes(kind) ? 'error' : notable.includes(kind) ? 'warn' : 'info';
      log[level](kind, {
        because,
        ...(node === null ? {} : { node }),
        ...(fenceId === null ? {} : { fenceId }),
        ...evidence,
      });
      if (outbox.length >= outboxMax) {
        outbox.shift();
        dropped += 1;
        if (dropped === 1 || dropped % 100 === 0) log.warn('history events dropped', { dropped });
      }
      const plain = structuredClone(evidence) as HistoryEvent['evidence'];
      const text = because.slice(0, 1200);
      numbered += 1;
      const writeId = `${incarnation} ${numbered}`;
      const wallMs = clock.wallMs();
      outbox.push({ schema: 1, wallMs, by, kind, node, fenceId, because: text, writeId, evidence: plain });
      void flush();
    },
    flush,
  };
}

/** Whether the event stands among the newest ones already; null: the store did not answer. */
async function isWritten(store: Store, event: HistoryEvent): Promise<boolean | null> {
  const listed = await store.list(tree.history);
  if (!listed.ok) return listed.code === 'no-node' ? false : null;
  for (const name of listed.names.slice(-newestLooked).reverse()) {
    const read = await store.read(`${tree.history}/${name}`);
    if (!read.ok && read.code !== 'no-node') return null;
    const parsed = read.ok ? parseRecord(HistoryEventSchema, read.text) : null;
    if (parsed?.ok === true && parsed.record.writeId === event.writeId) return true;
  }
  return false;
}

/** Removes the oldest events above the limit; somebody else may be doing the same, which is harmless. */
async function trim(store: Store, maxEvents: number): Promise<void> {
  const listed = await store.list(tree.history);
  if (!listed.ok) return;
  for (const name of listed.names.slice(0, Math.max(0, listed.names.length - maxEvents))) {
    await store.remove(`${tree.history}/${name}`, 0);
  }
}
