/**
 * The store as the loops beside the keepalive use it: reads wait for each other, writes never wait. A session is first in, first
 * out, so a keepalive is acknowledged after every read that was sent before it: 100 silent nodes of 200 made each coordinator
 * send thousands at once, and its own keepalive was not acknowledged for 6.3 s.
 *
 * S6 nothing waits for a store that is away: what waits fails with the connection. S7 what waits too long is never sent.
 */
import type { Clock } from '../environment/clock.ts';
import type { Store, StoreFailure, StoreResult } from '../environment/store.ts';

/** What a keepalive can find before it on its way; enough that a look at 200 nodes lasts seven round trips. */
export const readsAtOnce = 32;
/** More than any loop sends at once in the largest cluster; past it a read fails at once. */
export const readsWaitingMax = 5000;

interface Waiting {
  readonly sinceMs: number;
  readonly send: () => void;
  readonly fail: (failure: StoreFailure) => void;
}

/** `patienceMs`: how long a read may wait before it is sent. */
export function pacedStore(store: Store, clock: Clock, patienceMs: number): Store {
  let underWay = 0;
  let waiting: Waiting[] = [];
  const failure = (code: StoreFailure['code'], because: string): StoreFailure => ({ ok: false, code, because });

  store.onSession(({ state }) => {
    if (state === 'connected') return;
    const cutOff = waiting;
    waiting = [];
    for (const one of cutOff) one.fail(failure('not-connected', 'the connection was lost before this was read'));
  });
  const next = () => {
    underWay -= 1;
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      if (clock.monotonicMs() - one.sinceMs <= patienceMs) {
        one.send();
        return;
      }
      one.fail(
        failure('unclear', `${waiting.length + 1} reads wait, this one for more than ${Math.round(patienceMs)} ms`),
      );
    }
  };
  const paced = <T>(read: () => Promise<StoreResult<T>>): Promise<StoreResult<T>> => {
    const { state } = store.session();
    if (underWay < readsAtOnce || state !== 'connected') {
      underWay += 1;
      return read().finally(next);
    }
    if (waiting.length >= readsWaitingMax)
      return Promise.resolve(failure('unclear', `${readsWaitingMax} reads wait already; this one was not sent`));
    return new Promise((resolve) => {
      const send = () => {
        underWay += 1;
        void read().finally(next).then(resolve);
      };
      waiting.push({ sinceMs: clock.monotonicMs(), send, fail: resolve });
    });
  };
  return {
    session: () => store.session(),
    onSession: (listener) => store.onSession(listener),
    onContradiction: (listener) => store.onContradiction(listener),
    read: (path, onChange) => paced(() => store.read(path, onChange)),
    list: (path, onChange) => paced(() => store.list(path, onChange)),
    create: (path, text, mode) => store.create(path, text, mode),
    write: (path, text, version) => store.write(path, text, version),
    remove: (path, version) => store.remove(path, version),
    commit: (operations) => store.commit(operations),
    abandon: (because) => store.abandon(because),
    guard: (gate) => store.guard(gate),
    exposure: () => store.exposure(),
    counts: () => ({ ...store.counts?.(), 'store.readsUnderWay': underWay, 'store.readsWaiting': waiting.length }),
    close: (deadlineMs) => store.close(deadlineMs),
  };
}
