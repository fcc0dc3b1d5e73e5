/**
 * The store of a command. What only looks is asked again while the connection goes over to another server: a machine that is being
 * fenced takes its ZooKeeper server along, and just then people want to know. What changes anything is sent once.
 */
import type { Store, StoreResult } from '../environment/store.ts';

const againMs = 100;

/** A look that found no server for `withinMs` fails as it did last. */
export function patientStore(store: Store, withinMs: number): Store {
  async function patiently<T>(look: () => Promise<StoreResult<T>>): Promise<StoreResult<T>> {
    const endMs = performance.now() + withinMs;
    for (;;) {
      const result = await look();
      const isAway = !result.ok && (result.code === 'not-connected' || result.code === 'unclear');
      if (!isAway) return result;
      if (performance.now() > endMs)
        return { ...result, because: `no ZooKeeper server answers for ${withinMs / 1000} s: is there a quorum?` };
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
  }
  return {
    guard: (gate) => store.guard(gate),
    session: () => store.session(),
    onSession: (listener) => store.onSession(listener),
    onContradiction: (listener) => store.onContradiction(listener),
    read: (path, onChange) => patiently(() => store.read(path, onChange)),
    list: (path, onChange) => patiently(() => store.list(path, onChange)),
    exposure: () => patiently(() => store.exposure()),
    create: (path, text, mode) => store.create(path, text, mode),
    write: (path, text, version) => store.write(path, text, version),
    remove: (path, version) => store.remove(path, version),
    commit: (operations) => store.commit(operations),
    abandon: (because) => store.abandon(because),
    close: (deadlineMs) => store.close(deadlineMs),
  };
}
