/** The exclusive lock, over the simulated store: one holder, bounded waits, lost answers found again. */
import { acquire, isAtWork, release } from '../../src/agent/lock.ts';
import type { Environment } from '../../src/environment/environment.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';

const time = new VirtualTime();
const ensemble = new SimEnsemble(time, 200);
let seed = 1;

async function contender(): Promise<Environment & { cut: boolean }> {
  seed += 1;
  const process = new SimProcess(time);
  const random = new SeededRandom(seed);
  const env = { clock: process, random, cut: false } as unknown as Environment & { cut: boolean; store: SimStore };
  const options = {
    time,
    process,
    ensemble,
    random,
    sessionTimeoutMs: 2000,
    connectTimeoutMs: 200,
    reaches: () => !env.cut,
  };
  env.store = new SimStore(options);
  await time.runUntil(time.nowMs + 50);
  return env;
}

async function settle<T>(work: Promise<T>): Promise<T> {
  let over = false as boolean;
  const settled = work.finally(() => (over = true));
  while (!over) await time.runUntil(time.nowMs + 1);
  return settled;
}

it('of many contenders exactly one holds it at a time, in order, and each gets its turn', async () => {
  const envs = await Promise.all(Array.from({ length: 5 }, () => contender()));
  let holders = 0;
  let most = 0;
  let turns = 0;
  const work = envs.map(async (env) => {
    const got = await acquire(env, '/turns', 'x', 10_000);
    if (!got.ok) return;
    holders += 1;
    most = Math.max(most, holders);
    await env.clock.sleep(50);
    holders -= 1;
    turns += 1;
    await release(env, got.lock);
  });
  await settle(Promise.all(work));
  expect({ most, turns }).toEqual({ most: 1, turns: 5 });
});

it('who does not get it within its time gives way, leaves nothing behind, and says who holds it', async () => {
  const [one, two] = [await contender(), await contender()];
  const held = await settle(acquire(one, '/busy', 'node1'));
  const startMs = time.nowMs;
  const refused = await settle(acquire(two, '/busy', 'node2', 400));
  expect(refused).toEqual({ ok: false, because: 'another holds the lock (node1)' });
  expect(time.nowMs - startMs).toBeLessThan(600);
  expect(ensemble.list('/busy')).toMatchObject({ ok: true, value: [expect.stringContaining('-n-')] });
  if (held.ok) await settle(release(one, held.lock));
  expect(ensemble.list('/busy')).toEqual({ ok: true, value: [] });
});

it('a holder that is cut off loses it with its session, and its lock node no longer passes a check', async () => {
  const [one, two] = [await contender(), await contender()];
  const held = await settle(acquire(one, '/lost', 'node1'));
  if (!held.ok) throw new Error(held.because);
  one.cut = true;
  const next = await settle(acquire(two, '/lost', 'node2', 10_000));
  expect(next.ok).toBe(true);
  expect(ensemble.commit('', [{ kind: 'check', path: held.lock.path, version: 0 }])).toMatchObject({ ok: false });
});

it('a create whose answer was lost is found again by its GUID, not made twice', async () => {
  const env = await contender();
  await settle(env.store.create('/guid', '', 'persistent'));
  const create = env.store.create.bind(env.store);
  let lost = 0;
  env.store.create = async (path, text, mode) => {
    const made = await create(path, text, mode);
    lost += 1;
    return lost === 1 ? { ok: false, code: 'unclear', because: 'the answer was lost' } : made;
  };
  const got = await settle(acquire(env, '/guid', 'node1'));
  expect(got.ok).toBe(true);
  expect(ensemble.list('/guid')).toMatchObject({ ok: true, value: [expect.anything()] });
  expect(lost).toBe(1);
});

it('foreign names in the directory are ignored', async () => {
  const env = await contender();
  await settle(env.store.create('/foreign', '', 'persistent'));
  for (const name of ['zzz', '_c_xyz', 'lock-0000000000', '_c_00-n-1'])
    await settle(env.store.create(`/foreign/${name}`, '', 'persistent'));
  expect((await settle(acquire(env, '/foreign', 'node1'))).ok).toBe(true);
});

it('without the store: refused at once', async () => {
  const env = await contender();
  env.cut = true;
  await time.runUntil(time.nowMs + 1500);
  const startMs = time.nowMs;
  expect((await settle(acquire(env, '/turns', 'x'))).ok).toBe(false);
  expect(time.nowMs - startMs).toBeLessThan(10);
});

it('a lock of its own session that it does not hold, as a restored store brings back, is removed by whoever finds it', async () => {
  const [one, two] = [await contender(), await contender()];
  ensemble.create('', '/left', '', 'persistent');
  const leave = () => ensemble.create(one.store.session().id ?? '', '/left/_c_00-n-', 'one', 'ephemeral-sequential');
  leave();
  expect(await settle(isAtWork(two, '/left'))).toBe(true); // of another session: that one may be at work
  const refused = await settle(acquire(two, '/left', 'two', 300));
  expect(refused.ok).toBe(false);
  expect(await settle(isAtWork(one, '/left'))).toBe(false);
  expect(await settle(isAtWork(two, '/left'))).toBe(false);
  leave();
  const got = await settle(acquire(one, '/left', 'one', 300));
  expect(got.ok).toBe(true);
  expect(await settle(isAtWork(one, '/left'))).toBe(true); // what is held is not removed
  expect(await settle(isAtWork(two, '/left'))).toBe(true);
});

it('a server whose copy lacks the branch refuses what was made: nothing of it stays, and one look serves all that is sought', async () => {
  const env = await contender();
  await settle(env.store.create('/branch', '', 'persistent'));
  const [server] = ensemble.servers;
  server?.lose('/branch');
  for (let tries = 0; tries < 20; tries += 1)
    expect((await settle(acquire(env, '/branch', 'node1', 100))).ok).toBe(false);
  const made = ensemble.list('/branch');
  expect(made.ok ? made.value.length : 0).toBeGreaterThanOrEqual(20);
  const list = env.store.list.bind(env.store);
  let looks = 0;
  env.store.list = (path, onChange) => {
    looks += 1;
    return list(path, onChange);
  };
  server?.learn(null);
  await time.runUntil(time.nowMs + 5000);
  expect(ensemble.list('/branch')).toEqual({ ok: true, value: [] });
  expect(looks).toBeLessThan(15);
});
