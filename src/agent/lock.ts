/**
 * The exclusive lock: ephemeral-sequential children, a GUID in the name so that a create whose answer was lost is
 * found again, a watch on the predecessor only, a bounded wait, and the check that the node is really ours. The lock
 * only orders contenders: what makes a write safe is a transaction that checks `path` (its version stays 0).
 * Lessons: ZOOKEEPER-1262 (no GUID), CURATOR-498 and CURATOR-696 (a node of an older session taken for one's own).
 */
import type { Environment } from '../environment/environment.ts';
import type { Store, StoreResult } from '../environment/store.ts';

export interface HeldLock {
  /** Unique in the life of the ensemble; `check` it with version 0 in every write that rests on the lock. */
  readonly path: string;
  readonly generation: number;
}

export type Acquired =
  { readonly ok: true; readonly lock: HeldLock } | { readonly ok: false; readonly because: string };

/** The lock nodes that this noded holds or waits with. One of its session that is not among them was let go long ago. */
const own = new WeakMap<Store, Set<string>>();

function ownOf({ store }: Environment): Set<string> {
  const paths = own.get(store) ?? new Set();
  own.set(store, paths);
  return paths;
}

const releaseRetryMs = 200;
/** So often a create that may have happened is looked for, once the store answers again. */
const sweepLooks = 10;
/** And so long at most. */
const sweepMs = 60_000;

/** How long a contender waits for the one before it. */
export const acquireTimeoutMs = 400;

/** Tries to get the lock in `directory`; never waits longer than `timeoutMs` (plus one request). */
export async function acquire(
  env: Environment,
  directory: string,
  holder: string,
  timeoutMs = acquireTimeoutMs,
): Promise<Acquired> {
  const { store, clock } = env;
  const { generation } = store.session();
  const endMs = clock.monotonicMs() + timeoutMs;
  const mine = await createOwn(env, directory, holder);
  if (!mine.ok) return { ok: false, because: mine.because };
  ownOf(env).add(mine.path);
  for (;;) {
    const ahead = await predecessor(env, directory, mine.path);
    if (ahead.ok && ahead.isLeftover) {
      await env.store.remove(ahead.path, 0);
      if (clock.monotonicMs() < endMs) continue;
    }
    if (!ahead.ok) return giveUp(env, { path: mine.path, generation }, ahead.because);
    if (ahead.path === null) {
      const own = await store.read(mine.path);
      const session = store.session();
      if (!own.ok || own.owner !== session.id || session.generation !== generation) {
        return giveUp(env, { path: mine.path, generation }, 'the lock node does not belong to this session');
      }
      return { ok: true, lock: { path: mine.path, generation } };
    }
    const leftMs = endMs - clock.monotonicMs();
    if (leftMs <= 0) return giveUp(env, { path: mine.path, generation }, `another holds the lock (${ahead.holder})`);
    await gone(env, ahead.path, leftMs);
  }
}

/**
 * Gives the lock back. A removal that fails is repeated in the background for as long as the session lives: one lost answer
 * would otherwise leave a lock behind that nobody holds and everybody waits for (CURATOR-45; found by the simulator).
 */
export async function release(env: Environment, lock: HeldLock): Promise<void> {
  ownOf(env).delete(lock.path);
  if (await removed(env, lock)) return;
  void (async () => {
    do await env.clock.sleep(releaseRetryMs);
    while (!(await removed(env, lock)));
  })();
}

/**
 * Whether somebody is at work under the lock in `directory`; null: the store did not answer. A lock of our own session that we do not
 * hold is nobody's work: a store that was restored from an old copy brings such locks back, and a lost answer leaves one behind. It would
 * stand for as long as this session lives, so it is removed.
 */
export async function isAtWork(env: Environment, directory: string): Promise<boolean | null> {
  const { store } = env;
  const listed = await store.list(directory);
  if (!listed.ok) return listed.code === 'no-node' ? false : null;
  let atWork = false;
  for (const name of listed.names) {
    const path = `${directory}/${name}`;
    const read = await store.read(path);
    if (read.ok && isLeftover(env, path, read.owner)) await store.remove(path, read.version);
    else if (read.ok || read.code !== 'no-node') atWork = true;
  }
  return atWork;
}

function isLeftover(env: Environment, path: string, owner: string | null): boolean {
  return owner !== null && owner === env.store.session().id && !ownOf(env).has(path);
}

/** True when there is nothing left to remove: it is gone, or its session is. */
async function removed(env: Environment, lock: HeldLock): Promise<boolean> {
  const { state, generation } = env.store.session();
  if (state === 'lost' || generation !== lock.generation) return true;
  const done = await env.store.remove(lock.path, 0);
  return done.ok || done.code === 'no-node';
}

async function createOwn(
  env: Environment,
  directory: string,
  holder: string,
): Promise<StoreResult<{ readonly path: string }>> {
  const prefix = `_c_${env.random.id()}-n-`;
  const create = () => env.store.create(`${directory}/${prefix}`, holder, 'ephemeral-sequential');
  let made = await create();
  if (!made.ok && made.code === 'no-node') {
    await env.store.create(directory, '', 'persistent');
    made = await create();
  }
  // A server that lacks the branch refuses what the store has done: another server shows it.
  if (!made.ok && made.code === 'no-node') void sweep(env, directory, prefix);
  if (made.ok || made.code !== 'unclear') return made;
  // The answer was lost: look for our GUID rather than making a second one.
  const listed = await env.store.list(directory);
  const found = listed.ok ? listed.names.find((name) => name.startsWith(prefix)) : undefined;
  if (found !== undefined) return { ok: true, path: `${directory}/${found}` };
  void sweep(env, directory, prefix);
  return made;
}

/** By store, by directory: what is being looked for there. */
const sought = new WeakMap<Store, Map<string, Set<string>>>();

/**
 * A create whose answer was lost or wrong may have happened after all: what it made is looked for and removed (CURATOR-202). One look at a
 * directory serves all that is sought there.
 */
async function sweep(env: Environment, directory: string, prefix: string): Promise<void> {
  const directories = sought.get(env.store) ?? new Map<string, Set<string>>();
  sought.set(env.store, directories);
  const prefixes = directories.get(directory);
  if (prefixes !== undefined) {
    prefixes.add(prefix);
    return;
  }
  const own = new Set([prefix]);
  directories.set(directory, own);
  await sweepAll(env, directory, own);
  directories.delete(directory);
}

async function sweepAll(env: Environment, directory: string, prefixes: ReadonlySet<string>): Promise<void> {
  const { generation } = env.store.session();
  const endMs = env.clock.monotonicMs() + sweepMs;
  let newest = prefixes.size;
  for (let looks = 0; looks < sweepLooks && env.clock.monotonicMs() < endMs;) {
    await env.clock.sleep(releaseRetryMs);
    const { state, generation: now } = env.store.session();
    if (state === 'lost' || now !== generation) return;
    const listed = await env.store.list(directory);
    if (!listed.ok) continue;
    // Who came later is looked for as often.
    looks = prefixes.size > newest ? 1 : looks + 1;
    newest = prefixes.size;
    const found = listed.names.filter((name) => [...prefixes].some((prefix) => name.startsWith(prefix)));
    for (const name of found) await release(env, { path: `${directory}/${name}`, generation });
  }
}

type Predecessor =
  | { readonly ok: true; readonly path: string; readonly holder: string; readonly isLeftover: boolean }
  | { readonly ok: true; readonly path: null; readonly isLeftover: false }
  | { readonly ok: false; readonly because: string };

async function predecessor(env: Environment, directory: string, own: string): Promise<Predecessor> {
  const listed = await env.store.list(directory);
  if (!listed.ok) return { ok: false, because: listed.because };
  const queue = listed.names
    .filter((name) => numberOf(name) !== null)
    .sort((a, b) => (numberOf(a) ?? 0) - (numberOf(b) ?? 0));
  const place = queue.indexOf(own.slice(directory.length + 1));
  if (place < 0) return { ok: false, because: 'the own lock node is gone' };
  const ahead = queue[place - 1];
  if (ahead === undefined) return { ok: true, path: null, isLeftover: false };
  const path = `${directory}/${ahead}`;
  const read = await env.store.read(path);
  const left = read.ok && isLeftover(env, path, read.owner);
  return { ok: true, path, holder: read.ok ? read.text : '?', isLeftover: left };
}

/** Sorted by the number alone: the names before it are random. Foreign names are ignored. */
function numberOf(name: string): number | null {
  const match = /^_c_[0-9a-f]+-n-(-?\d{10})$/.exec(name);
  return match?.[1] === undefined ? null : Number(match[1]);
}

/** Waits until the node is gone or changed, or the time is over; polls too, since a watch is only a hint (STORE8). */
async function gone(env: Environment, path: string, withinMs: number): Promise<void> {
  const waiting = new AbortController();
  const read = await env.store.read(path, () => waiting.abort());
  if (read.ok) await env.clock.sleep(Math.min(withinMs, 100), waiting.signal);
}

async function giveUp(env: Environment, lock: HeldLock, because: string): Promise<Acquired> {
  await release(env, lock);
  return { ok: false, because };
}
