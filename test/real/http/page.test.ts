/** The page and what it is fed with: the real listener, before a simulated cluster. */
import type { ClusterView } from '../../../src/view/cluster-view.ts';
import { openApiDocument } from '../../../src/real/http/openapi.ts';
import { undescribed } from '../../support/open-api.ts';
import type { WatchedCluster } from '../../support/page.ts';
import { readToken, watchedCluster } from '../../support/page.ts';

let watched: WatchedCluster;
beforeAll(async () => {
  watched = await watchedCluster();
});
afterAll(() => watched.close());

const get = (path: string, token?: string) =>
  fetch(new URL(path, watched.url), token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
interface Shown {
  readonly view: ClusterView;
  readonly events: readonly { readonly kind: string }[];
  readonly staleBecause: string | null;
}
const shown = async () => (await (await get('/v1/cluster', readToken)).json()) as Shown;

it.each([
  ['/', 'text/html; charset=utf-8', /<script src="page\.js" type="module">/],
  ['/page.css', 'text/css; charset=utf-8', /prefers-color-scheme: dark/],
  ['/page.js', 'text/javascript; charset=utf-8', /v1\/cluster/],
])('%s needs no token, has no data in it, and lets nothing in from elsewhere', async (path, type, content) => {
  const reply = await get(path);
  expect(reply.status).toBe(200);
  expect(reply.headers.get('content-type')).toBe(type);
  expect(reply.headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'self'/);
  const text = await reply.text();
  expect(text).toMatch(content);
  expect(text).not.toMatch(/https?:\/\/|innerHTML|eval\(|onclick|node1/);
});

it('what the page shows needs the read token', async () => {
  expect((await get('/v1/cluster')).status).toBe(401);
  expect((await get('/v1/cluster', 'wrong')).status).toBe(401);
  expect((await get('/page.html')).status).toBe(404);
  expect((await get('/..%2fpackage.json')).status).toBe(404);
});

it('the cluster as it is: nodes, role, proofs, events; described as it is answered', async () => {
  const reply = await get('/v1/cluster', readToken);
  const value: unknown = await reply.json();
  expect(undescribed(openApiDocument(), 'GET', '/v1/cluster', reply.status, value)).toBeNull();
  const { view, events, staleBecause } = value as Shown;
  expect(staleBecause).toBeNull();
  expect(view.nodes.map(({ name, state }) => `${name} ${state}`)).toEqual(['node1 run', 'node2 run', 'node3 run']);
  expect(view.primary.holder).toMatch(/^node/);
  expect(view.nodes[0]?.proofs['node2']?.canFence).toBe(true);
  expect(events.map(({ kind }) => kind)).toContain('primary');
});

it('S8: asked hundreds of times it reads the store once a second; what is old is said to be', async () => {
  const { world } = watched;
  let reads = 0;
  const read = world.ensemble.read.bind(world.ensemble);
  world.ensemble.read = (path) => {
    reads += 1;
    return read(path);
  };
  const startMs = world.time.nowMs;
  for (let times = 0; times < 300; times += 1) await shown();
  const seconds = (world.time.nowMs - startMs) / 1000;
  expect(reads).toBeLessThan(60 * (seconds + 2));
  world.machine('node3').powerOff();
  await world.run(3000);
  expect((await shown()).view.nodes[2]?.keepaliveAgeMs).toBeGreaterThan(2000);
  world.ensemble.setAvailable(false);
  await world.run(5000);
  expect((await shown()).staleBecause).toMatch(/no session with ZooKeeper|not-connected|store/);
  world.ensemble.setAvailable(true);
  await world.run(20_000);
  expect((await shown()).staleBecause).toBeNull();
});
