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
import { printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';

const outboxMax = 200;
/** After this many events of its own a node looks whether the history has grown over its limit. */
const trimEvery = 50;
const alarming: readonly EventKind[] = [
  'fence-failed',
  'bmc-lies',
  'never-came-up',
  'record-unreadable',
  'store-set-back',
  'store-contradicts',
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

export function createHistory(by: string, { store, clock, log, metrics }: Means, maxEvents: number): History {
  const outbox: HistoryEvent[] = [];
  /** A record that cannot be read is told once, not at every beat that reads it. */
  const unreadableTold = new Set<string>();
  let dropped = 0;
  let written = 0;
  let flushing: Promise<void> | null = null;

  const send = async () => {
    for (let event = outbox[0]; event !== undefined; event = outbox[0]) {
      const made = await store.create(`${tree.history}/e-`, printRecord(event), 'persistent-sequential');
      // An unclear answer may mean a second copy of an event; a missing one would be worse.
      if (!made.ok) return;
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
        if (unreadableTold.has(because) || unreadableTold.size > outboxMax) return;
        unreadableTold.add(because);
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
      outbox.push({ schema: 1, wallMs: clock.wallMs(), by, kind, node, fenceId, because: text, evidence: plain });
      void flush();
    },
    flush,
  };
}

/** Removes the oldest events above the limit; somebody else may be doing the same, which is harmless. */
async function trim(store: Store, maxEvents: number): Promise<void> {
  const listed = await store.list(tree.history);
  if (!listed.ok) return;
  for (const name of listed.names.slice(0, Math.max(0, listed.names.length - maxEvents))) {
    await store.remove(`${tree.history}/${name}`, 0);
  }
}
