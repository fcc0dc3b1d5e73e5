/** The fences that happened, put together from the history; the last of each node from its record, with all steps. */
import type { Store } from '../../../environment/store.ts';
import { FenceRecord } from '../../../records/fence.ts';
import type { HistoryEvent } from '../../../records/history.ts';
import { parseRecord } from '../../../records/record.ts';
import { tree } from '../../../records/tree.ts';
import { readEvents } from '../../read-events.ts';

export interface PastFence {
  readonly id: string;
  readonly node: string;
  readonly by: string;
  readonly reason: string;
  /** Wall times in ms since 1970, of the fencer's clock; null: it did not come to that. */
  readonly verdictAt: number;
  readonly confirmedAt: number | null;
  readonly recordedAt: number | null;
  readonly level: string | null;
  readonly outcome: string;
  readonly steps: readonly {
    readonly at: number;
    readonly by: string;
    readonly what: string;
    readonly because: string;
  }[];
}

/** Newest first. */
export async function readFenceHistory(store: Store, only: string | null): Promise<PastFence[]> {
  const events = (await readEvents(store, null, 0)).map(({ event }) => event);
  const records = await currentRecords(store);
  const known = new Map(records.map((record) => [record.id, fromRecord(record)]));
  const grouped = new Map<string, HistoryEvent[]>();
  for (const event of events) {
    if (event.fenceId === null || known.has(event.fenceId)) continue;
    grouped.set(event.fenceId, [...(grouped.get(event.fenceId) ?? []), event]);
  }
  const past = [...grouped].map(([id, about]) => fromEvents(id, about));
  return [...known.values(), ...past]
    .filter((fence) => only === null || fence.node === only)
    .sort((a, b) => b.verdictAt - a.verdictAt);
}

async function currentRecords(store: Store): Promise<FenceRecord[]> {
  const listed = await store.list(tree.fencing);
  if (!listed.ok) return [];
  const read = await Promise.all(listed.names.map((name) => store.read(tree.fence(name))));
  return read.flatMap((value) => {
    const parsed = value.ok && value.text !== '' ? parseRecord(FenceRecord, value.text) : null;
    return parsed?.ok === true && parsed.record.id !== '' ? [parsed.record] : [];
  });
}

function fromRecord(record: FenceRecord): PastFence {
  return {
    id: record.id,
    node: record.target,
    by: record.fencer,
    reason: record.reason,
    verdictAt: record.verdictWallMs,
    confirmedAt: record.confirmedWallMs,
    recordedAt: record.recordedWallMs,
    level: record.level,
    outcome: record.state,
    steps: record.steps.map(({ wallMs, by, what, because }) => ({ at: wallMs, by, what, because })),
  };
}

function fromEvents(id: string, about: readonly HistoryEvent[]): PastFence {
  const intent = about.find((event) => event.kind === 'fence-intent') ?? about[0];
  const fenced = about.find((event) => event.kind === 'fenced');
  const last = about.at(-1);
  return {
    id,
    node: intent?.node ?? '?',
    by: intent?.by ?? '?',
    reason: intent?.because ?? '',
    verdictAt: intent?.wallMs ?? 0,
    confirmedAt: fenced?.wallMs ?? null,
    recordedAt: fenced?.wallMs ?? null,
    level: typeof fenced?.evidence['level'] === 'string' ? fenced.evidence['level'] : null,
    outcome: fenced === undefined ? (last?.kind ?? '?') : 'fenced',
    steps: about.map((event) => ({ at: event.wallMs, by: event.by, what: event.kind, because: event.because })),
  };
}
