/** A store whose requests are timed. Everything else of it is as it was. */
import type { Metrics } from '../environment/metrics.ts';
import type { Store, StoreResult } from '../environment/store.ts';

export function measuredStore(store: Store, metrics: Metrics): Store {
  const timed =
    <Words extends unknown[], T>(operation: string, request: (...words: Words) => Promise<StoreResult<T>>) =>
    async (...words: Words): Promise<StoreResult<T>> => {
      const startMs = performance.now();
      const result = await request(...words);
      const outcome = result.ok ? 'ok' : result.code;
      metrics.took('nodekeeper_store_request_duration_seconds', performance.now() - startMs, { operation, outcome });
      return result;
    };
  return {
    guard: (gate) => store.guard(gate),
    session: () => store.session(),
    onSession: (listener) => store.onSession(listener),
    onContradiction: (listener) => store.onContradiction(listener),
    read: timed('read', (path, onChange) => store.read(path, onChange)),
    list: timed('list', (path, onChange) => store.list(path, onChange)),
    create: timed('create', (path, text, mode) => store.create(path, text, mode)),
    write: timed('write', (path, text, version) => store.write(path, text, version)),
    remove: timed('remove', (path, version) => store.remove(path, version)),
    commit: timed('commit', (operations) => store.commit(operations)),
    exposure: () => store.exposure(),
    counts: () => store.counts?.() ?? {},
    abandon: (because) => store.abandon(because),
    close: (deadlineMs) => store.close(deadlineMs),
  };
}
