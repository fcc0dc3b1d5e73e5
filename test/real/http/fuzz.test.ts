/** The listener under nonsense: bytes that are no HTTP, requests that nobody would write. It answers or hangs up, and lives. */
import { connect } from 'node:net';
import * as fc from 'fast-check';
import type { WatchedCluster } from '../../support/page.ts';
import { readToken, watchedCluster } from '../../support/page.ts';
import { mangled } from '../../support/mangled.ts';

let watched: WatchedCluster;
beforeAll(async () => (watched = await watchedCluster()), 60_000);
afterAll(() => watched.close());

const request = `GET /v1/cluster HTTP/1.1\r\nHost: node1\r\nAuthorization: Bearer ${readToken}\r\n\r\n`;

/** What comes back for these bytes, until the other side hangs up or has said something. */
function send(bytes: string): Promise<string> {
  const { port } = new URL(watched.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1');
    let said = '';
    const end = () => {
      socket.destroy();
      resolve(said);
    };
    socket.setTimeout(150, end); // it waits for the rest of a request
    socket.on('data', (data) => {
      said += String(data);
      end();
    });
    socket.on('close', end);
    socket.on('error', end);
    socket.end(bytes, 'latin1');
  });
}

async function isWell(): Promise<void> {
  const reply = await fetch(new URL('/v1/cluster', watched.url), { headers: { authorization: `Bearer ${readToken}` } });
  expect(reply.status).toBe(200);
  const { view } = (await reply.json()) as { view: { nodes: object[] } };
  expect(view.nodes).toHaveLength(3);
}

it('bytes that are almost a request, or none', async () => {
  await fc.assert(
    fc.asyncProperty(mangled(request, `POST /v1/vms/x HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello`), async (bytes) => {
      const said = await send(bytes);
      if (said !== '') expect(said).toMatch(/^HTTP\/1\.1 [2-4]\d\d /);
    }),
    { numRuns: 200 },
  );
  await isWell();
}, 60_000);

it('paths, methods, headers and bodies of any kind: refused, never an error of ours', async () => {
  const path = fc.oneof(
    fc.constantFrom('/v1/cluster', '/v1/vms', '/v1/vms/db1', '/metrics', '/', '/page.js', '/health'),
    fc.webPath(),
    fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => `/v1/${encodeURIComponent(text)}`),
    fc.integer({ min: 1, max: 20_000 }).map((length) => `/${'x'.repeat(length)}`),
  );
  const any = fc.record({
    path,
    method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'),
    token: fc.constantFrom(readToken, '', 'x'.repeat(5000), 'operate'),
    type: fc.constantFrom('application/json', 'text/plain', 'multipart/form-data', ''),
    body: fc.oneof(fc.json(), fc.string({ maxLength: 200 }), fc.constant('['.repeat(10_000))),
  });
  await fc.assert(
    fc.asyncProperty(any, async ({ path: where, method, token, type, body }) => {
      const reply = await fetch(`${watched.url.slice(0, -1)}${where}`, {
        method,
        headers: {
          ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
          ...(type === '' ? {} : { 'content-type': type }),
        },
        ...(method === 'GET' || method === 'HEAD' ? {} : { body }),
        redirect: 'manual',
      });
      await reply.arrayBuffer();
      // 503 is how a health endpoint says no.
      expect(reply.status < 500 || reply.status === 503).toBe(true);
    }),
    { numRuns: 300 },
  );
  await isWell();
}, 60_000);
