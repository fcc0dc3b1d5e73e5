/** An operator's change in the history: written in the same transaction as the change, by whom and what. */
import type { Operation } from '../environment/store.ts';
import { HistoryEvent } from '../records/history.ts';
import { printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { requester } from './connect.ts';

export function auditEntry(because: string, node: string | null = null): Operation {
  const event = HistoryEvent.parse({
    schema: 1,
    wallMs: Date.now(),
    by: requester().slice(0, 100),
    kind: 'operator-request',
    node,
    fenceId: null,
    because: because.slice(0, 1200),
    evidence: {},
  });
  return { kind: 'create', path: `${tree.history}/e-`, text: printRecord(event), mode: 'persistent-sequential' };
}
