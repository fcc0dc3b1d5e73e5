/** S8 on a real server: the keepalive's write beside thousands of reads of large records, with and without the agent's pacing. */
import { pacedStore } from '../../../src/agent/paced-store.ts';
import type { Store } from '../../../src/environment/store.ts';
import { realClock } from '../../../src/real/clock.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { storeKeys } from '../../support/keys.ts';
import { ZooKeeperServers, pause, until } from '../../support/zookeeper.ts';

const rows = 100;
const rowBytes = 100 * 1024;
/** Each silent node makes an observer read every row; so many nodes fall silent at once. */
const silent = 20;
const keepaliveEveryMs = 100;
const timing = { sessionTimeoutMs: 20_000, connectTimeoutMs: 1000, requestTimeoutMs: 20_000 };

let servers: ZooKeeperServers;
let plain: Store;
beforeAll(async () => {
  servers = await ZooKeeperServers.start();
  const keys = storeKeys('nodekeeper:paced');
  plain = openZooKeeperStore({ servers: servers.addresses(), root: '/nodekeeper/paced', keys, ...timing });
  await until('connected', 10_000, () => plain.session().state === 'connected');
  for (let row = 0; row < rows; row += 1) await plain.create(`/row${row}`, 'x'.repeat(rowBytes), 'persistent');
  await plain.create('/keepalive', '', 'persistent');
});
afterAll(async () => {
  await plain.close(1000);
  await servers.stop();
});

/** Every row for every silent node at once, beside a keepalive on its beat: how late the slowest one was acknowledged, in all. */
async function worstKeepaliveMs(store: Store): Promise<{ worstMs: number; tookMs: number }> {
  const startMs = performance.now();
  let reading = true as boolean;
  const all = Array.from({ length: rows * silent }, (_, at) => store.read(`/row${at % rows}`));
  void Promise.all(all).finally(() => (reading = false));
  let worstMs = 0;
  while (reading) {
    const sentMs = performance.now();
    const read = await plain.read('/keepalive');
    const written = read.ok && (await store.write('/keepalive', 'x', read.version));
    expect(written).toMatchObject({ ok: true });
    worstMs = Math.max(worstMs, performance.now() - sentMs);
    await pause(keepaliveEveryMs);
  }
  expect((await Promise.all(all)).every(({ ok }) => ok)).toBe(true);
  return { worstMs, tookMs: performance.now() - startMs };
}

it('S8: 2000 reads of 100 KiB do not stand before a keepalive; all of them are answered, and none later than without', async () => {
  const without = await worstKeepaliveMs(plain);
  const paced = await worstKeepaliveMs(pacedStore(plain, realClock(), timing.requestTimeoutMs));
  if (process.env['NODEKEEPER_TEST_VERBOSE'] === '1') console.log(JSON.stringify({ without, paced }));
  expect(paced.worstMs).toBeLessThan(without.worstMs / 3);
});
