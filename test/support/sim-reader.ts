/** A simulated store as somebody reads it who takes no part: what nodectl sees, at once and without a session. */
import type { Store } from '../../src/environment/store.ts';
import type { World } from '../../src/sim/world.ts';

const refused = { ok: false, code: 'no-auth', because: 'only read here' } as const;

export function readerOf({ ensemble }: World): Store {
  return {
    session: () => ({ state: 'connected', generation: 1, id: 'reader', timeoutMs: 0, lastAckSentMs: null }),
    onSession: () => () => undefined,
    onContradiction: () => () => undefined,
    read: (path) => {
      const read = ensemble.read(path);
      return Promise.resolve(read.ok ? { ok: true, ...read.value } : { ok: false, code: read.code, because: path });
    },
    list: (path) => {
      const listed = ensemble.list(path);
      return Promise.resolve(
        listed.ok ? { ok: true, names: listed.value } : { ok: false, code: listed.code, because: path },
      );
    },
    create: () => Promise.resolve(refused),
    write: () => Promise.resolve(refused),
    remove: () => Promise.resolve(refused),
    commit: () => Promise.resolve(refused),
    exposure: () => Promise.resolve(refused),
    guard: () => undefined,
    abandon: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
