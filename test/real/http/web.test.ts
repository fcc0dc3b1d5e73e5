/** The web listener over real TLS: who may do what, limits, health by status codes, a certificate that is renewed. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { HttpPeerApi } from '../../../src/real/http/peer-api.ts';
import type { WebSettings } from '../../../src/real/http/web.ts';
import { realMetrics } from '../../../src/real/metrics.ts';
import type { ApiAnswer, ApiQuestion, StatusAnswer } from '../../../src/records/api.ts';
import { apiKeys } from '../../support/keys.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-web-'));
const troubles: string[] = [];
const orders: ApiQuestion[] = [];
let status: Pick<StatusAnswer, 'status' | 'leaseLeftMs'> = { status: 200, leaseLeftMs: 900 };
let health = { healthy: true, ready: true, because: 'all is well' };
let settings: WebSettings;
let api: HttpPeerApi;

function answer(question: ApiQuestion): Promise<ApiAnswer> {
  if (question.kind === 'vm-order') orders.push(question);
  const answers: Partial<Record<ApiQuestion['kind'], ApiAnswer>> = {
    status: {
      kind: 'status',
      node: 'node1',
      incarnation: 'i',
      message: 'm',
      state: 's',
      primary: null,
      epoch: 1,
      ...status,
    },
    health: { kind: 'health', ...health },
    metrics: { kind: 'metrics', samples: [{ name: 'nodekeeper_primary_epoch', labels: {}, value: 7 }] },
    vms: { kind: 'vms', vms: [] },
    'vm-order': { kind: 'vm-order', outcome: 'refused', because: 'a rule', vm: null },
  };
  return Promise.resolve(answers[question.kind] ?? { kind: 'release' });
}

function makeCertificate(name: string): void {
  const words = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} -keyout ${dir}/${name}.key -out ${dir}/${name}.pem`;
  execFileSync('openssl', words.split(' '), { stdio: 'ignore' });
}
function useCertificate(name: string): void {
  copyFileSync(join(dir, `${name}.pem`), join(dir, 'cert.pem'));
  copyFileSync(join(dir, `${name}.key`), join(dir, 'key.pem'));
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

interface Said {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

function ask(method: string, path: string, token?: string, body?: string): Promise<Said> {
  return new Promise((resolve, reject) => {
    const headers = {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const options = {
      host: '127.0.0.1',
      port: settings.port,
      method,
      path,
      headers,
      rejectUnauthorized: false,
      agent: false,
    };
    const asked = request(options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, headers: response.headers }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const subjectSeen = () =>
  new Promise<string>((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port: settings.port, rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN));
      socket.destroy();
    });
    socket.on('error', reject);
  });

let tokens = [{ readToken: 'read-read-read', operateToken: 'operate-operate' }];
beforeAll(async () => {
  makeCertificate('first');
  makeCertificate('second');
  useCertificate('first');
  const tls = { certificateFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') };
  settings = {
    address: '127.0.0.1',
    port: await freePort(),
    tls,
    tokens: () => tokens,
    openMetrics: false,
    requestsPerSecond: 40,
  };
  const onTrouble = (because: string) => void troubles.push(because);
  api = new HttpPeerApi({
    keys: apiKeys(0),
    port: null,
    socket: null,
    web: settings,
    metrics: realMetrics(),
    onTrouble,
  });
  api.serve(answer);
  for (let tries = 0; tries < 100 && (await subjectSeen().catch(() => null)) === null; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
});
beforeEach(() => new Promise((resolve) => setTimeout(resolve, 1050))); // a fresh second for the limit on requests
afterAll(async () => {
  await api.close();
  rmSync(dir, { recursive: true, force: true });
});

it('while the cluster key is being changed, the tokens of both are good, and each for what it is for', async () => {
  const [first] = tokens;
  if (first === undefined) throw new Error('no tokens');
  tokens = [{ readToken: 'new-read', operateToken: 'new-operate' }, first];
  for (const token of ['new-read', 'new-operate', first.readToken])
    expect((await ask('GET', '/v1/vms', token)).status).toBe(200);
  expect((await ask('POST', '/v1/vms/web/stop', 'new-read', '{}')).status).toBe(403);
  tokens = [{ readToken: 'new-read', operateToken: 'new-operate' }];
  expect((await ask('GET', '/v1/vms', first.readToken)).status).toBe(401);
  tokens = [first];
});

it('health needs no token, and its status code alone tells', async () => {
  const codes = async () =>
    Object.fromEntries(
      await Promise.all(
        ['/primary', '/secondary', '/health', '/ready'].map(
          async (path) => [path, (await ask('GET', path)).status] as const,
        ),
      ),
    );
  expect(await codes()).toEqual({ '/primary': 200, '/secondary': 503, '/health': 200, '/ready': 200 });
  expect((await ask('HEAD', '/primary')).status).toBe(200);
  status = { status: 200, leaseLeftMs: 0 }; // says primary, and can guarantee nothing any more
  expect(await codes()).toMatchObject({ '/primary': 503, '/secondary': 503 });
  status = { status: 303, leaseLeftMs: null };
  health = { healthy: true, ready: false, because: 'it is in "starting"' };
  expect(await codes()).toEqual({ '/primary': 503, '/secondary': 200, '/health': 200, '/ready': 503 });
  health = { healthy: false, ready: false, because: 'its keepalive is not acknowledged any more' };
  expect(await codes()).toMatchObject({ '/health': 503, '/ready': 503 });
});

it.each<readonly [string, string, string | undefined, number]>([
  ['GET', '/v1/vms', undefined, 401],
  ['GET', '/v1/vms', 'wrong', 401],
  ['GET', '/v1/vms', 'read-read-read', 200],
  ['GET', '/v1/vms', 'operate-operate', 200],
  ['GET', '/metrics', undefined, 401],
  ['GET', '/metrics', 'read-read-read', 200],
  ['POST', '/v1/vms/web/stop', undefined, 401],
  ['POST', '/v1/vms/web/stop', 'wrong', 401],
  ['POST', '/v1/vms/web/stop', 'read-read-read', 403],
  ['POST', '/v1/vms/web/stop', 'operate-operate', 409],
  ['GET', '/nothing', 'wrong', 404],
  ['POST', '/ask', 'operate-operate', 404],
  ['POST', '/debug/block', 'operate-operate', 404],
  ['GET', '/nothing', undefined, 404],
  ['GET', '/nothing', 'read-read-read', 404],
])('%s %s with the token %s: %i', async (method, path, token, wanted) => {
  const before = orders.length;
  const said = await ask(method, path, token, method === 'POST' ? '{}' : undefined);
  expect({ status: said.status, text: said.text }).toMatchObject({ status: wanted });
  if (wanted === 401) expect(said.headers['www-authenticate']).toMatch(/Bearer/);
  expect(orders.length - before).toBe(wanted === 409 ? 1 : 0); // who may not is not even heard
});

it('metrics are what Prometheus reads: counted and sampled ones, and those of the process', async () => {
  const { text, headers } = await ask('GET', '/metrics', 'read-read-read');
  expect(headers['content-type']).toMatch(/text\/plain/);
  expect(text).toMatch(/^nodekeeper_primary_epoch 7$/m);
  expect(text).toMatch(/^noded_process_resident_memory_bytes \d+/m);
});

it('bad input: half a body, a huge one, no JSON: refused, and the next one is answered', async () => {
  const token = 'operate-operate';
  expect((await ask('POST', '/v1/vms/web/stop', token, '{"by":')).status).toBe(400);
  expect(
    (await ask('POST', '/v1/vms/web/stop', token, `"${'x'.repeat(100_000)}"`).catch(() => ({ status: 413 }))).status,
  ).toBe(413);
  expect((await ask('GET', `/${'x'.repeat(5000)}`, token)).status).toBe(404);
  expect((await ask('GET', '/v1/vms', token)).status).toBe(200);
});

it('more requests than a second takes are refused with 429, and the next second is a new one', async () => {
  const codes = await Promise.all(Array.from({ length: 80 }, async () => (await ask('GET', '/health')).status));
  expect(codes.filter((code) => code === 429).length).toBeGreaterThan(20);
  const guesses = await Promise.all(
    Array.from({ length: 80 }, async () => (await ask('GET', '/v1/vms', 'guess')).status),
  );
  expect(guesses.filter((code) => code === 429).length).toBeGreaterThan(20);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  expect((await ask('GET', '/v1/vms', 'read-read-read')).status).toBe(200);
});

it('a renewed certificate is taken up without a restart; a broken one leaves the old one', async () => {
  expect(await subjectSeen()).toBe('first');
  useCertificate('second');
  await api.renewCertificate();
  expect(await subjectSeen()).toBe('second');
  writeFileSync(join(dir, 'cert.pem'), 'half of a certif');
  await api.renewCertificate();
  expect(troubles.join()).toMatch(/stays the old one/);
  expect(await subjectSeen()).toBe('second');
  useCertificate('second');
});

it('a port that is taken is said, and nothing else suffers', async () => {
  const told: string[] = [];
  const second = new HttpPeerApi({
    keys: apiKeys(0),
    port: null,
    socket: null,
    web: settings,
    onTrouble: (because) => void told.push(because),
  });
  second.serve(answer);
  for (let tries = 0; tries < 100 && told.length === 0; tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 20));
  expect(told.join()).toMatch(/programs and browsers are not answered at 127\.0\.0\.1 port \d+: .*EADDRINUSE/);
  await second.close();
});
