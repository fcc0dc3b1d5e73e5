/** The keepalive's write waits for no read; reads wait for each other, never for a store that is away, and never without end. */
import { pacedStore, readsAtOnce, readsWaitingMax } from '../../src/agent/paced-store.ts';
import type { Store } from '../../src/environment/store.ts';
import { VirtualTime } from '../../src/sim/clock.ts';
import { SimEnsemble } from '../../src/sim/ensemble.ts';
import { SimProcess } from '../../src/sim/process.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { SimStore } from '../../src/sim/store.ts';

const patienceMs = 700;

/** A store on a server that takes 1 ms for each request. */
async function slowStore() {
  const time = new VirtualTime();
  const ensemble = new SimEnsemble(time, 500);
  const process = new SimProcess(time);
  let reaches: boolean = true;
  const random = new SeededRandom(7);
  const timing = { sessionTimeoutMs: 6000, connectTimeoutMs: 200 };
  const plain = new SimStore({ time, ensemble, process, random, reaches: () => reaches, ...timing });
  await time.runUntil(1000);
  const store = pacedStore(plain, process, patienceMs);
  void store.create('/row', 'x', 'persistent');
  void store.create('/keepalive', '', 'persistent');
  await time.runUntil(2000);
  for (const server of ensemble.servers) server.costMs = { request: 1, kib: 0 };
  return { time, plain, store, cut: () => (reaches = false) };
}

/** After how many ms of the server's time a keepalive is acknowledged that is sent after `reads` reads. */
async function keepaliveMs(store: Store, time: VirtualTime, reads: number): Promise<number> {
  const answered: Promise<unknown>[] = [];
  for (let read = 0; read < reads; read += 1) answered.push(store.read('/row'));
  const sentMs = time.nowMs;
  let ackedMs = NaN;
  void store.write('/keepalive', 'x', 0).then(({ ok }) => (ackedMs = ok ? time.nowMs : NaN));
  await time.runUntil(time.nowMs + 10_000);
  await Promise.all(answered);
  return ackedMs - sentMs;
}

it('S8: a keepalive that is sent after 500 reads is acknowledged after as many as may be under way', async () => {
  const before = await slowStore();
  expect(await keepaliveMs(before.plain, before.time, 500)).toBeGreaterThan(500);
  const { store, time } = await slowStore();
  expect(await keepaliveMs(store, time, 500)).toBeLessThan(readsAtOnce + 10);
});

it('S7: reads are answered in their order; what waited too long is not sent, and says so', async () => {
  const { store, time } = await slowStore();
  const order: (number | string)[] = [];
  for (let read = 0; read < 1000; read += 1)
    void store.read('/row').then((reply) => order.push(reply.ok ? read : reply.because));
  await time.runUntil(time.nowMs + 10_000);
  const answered = order.filter((one) => typeof one === 'number');
  expect(answered.length).toBeGreaterThan(patienceMs * 0.9);
  expect(answered).toEqual(answered.map((_, place) => place));
  expect(order).toHaveLength(1000);
  expect(order.filter((one) => typeof one === 'string').at(-1)).toMatch(
    /^\d+ reads wait, this one for more than 700 ms$/,
  );
});

it('S6: when the connection is lost, what waits fails at once, and is not read later', async () => {
  const { store, time, cut } = await slowStore();
  const codes: string[] = [];
  for (let read = 0; read < 200; read += 1)
    void store.read('/row').then((reply) => codes.push(reply.ok ? 'ok' : reply.code));
  await time.runUntil(time.nowMs + 20);
  cut();
  await time.runUntil(time.nowMs + 2500);
  expect(codes).toHaveLength(200);
  expect(codes.filter((code) => code === 'unclear').length).toBeLessThanOrEqual(readsAtOnce);
  expect(codes.filter((code) => code === 'not-connected').length).toBeGreaterThan(100);
  expect(await store.read('/row')).toMatchObject({ ok: false, code: 'not-connected' });
});

it('so many may wait, and no more; after 20,000 reads it is as it was', async () => {
  const { store, time } = await slowStore();
  const all = Array.from({ length: readsAtOnce + readsWaitingMax + 1 }, () => store.read('/row'));
  expect(await all.at(-1)).toMatchObject({ ok: false, because: expect.stringContaining('wait already') as string });
  await time.runUntil(time.nowMs + 10_000);
  await Promise.all(all);
  for (let round = 0; round < 200; round += 1) {
    const hundred = Array.from({ length: 100 }, () => store.read('/row'));
    await time.runUntil(time.nowMs + 200);
    expect((await Promise.all(hundred)).every(({ ok }) => ok)).toBe(true);
  }
  expect(await keepaliveMs(store, time, 500)).toBeLessThan(readsAtOnce + 10);
});
