/** The API for programs over its real server: every answer is held against its own description. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HttpPeerApi } from '../../../src/real/http/peer-api.ts';
import type { ApiAnswer, ApiQuestion } from '../../../src/records/api.ts';
import { newVm } from '../../../src/records/vm.ts';
import { viewVm } from '../../../src/records/vm-view.ts';
import { apiKeys } from '../../support/keys.ts';
import { undescribed } from '../../support/open-api.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-v1-'));
const socket = join(dir, 'noded.sock');
const api = new HttpPeerApi({ keys: apiKeys(7), port: null, socket, onTrouble: () => undefined });
const record = newVm({
  uuid: '11111111-1111-4111-8111-111111111111',
  name: `it's "odd"; a b`,
  node: 'node1',
  memoryMiB: 64,
  vcpus: 1,
  selector: 'mem',
  limit: [],
  antiAffinity: [],
  autostart: false,
  migrationMethod: 'live',
  by: 'me',
  nowWallMs: 0,
  writeId: 'w',
});
const asked: ApiQuestion[] = [];
let storeIsThere = true;

const answer = (question: ApiQuestion): Promise<ApiAnswer> => {
  asked.push(question);
  if (question.kind === 'vms')
    return Promise.resolve({ kind: 'vms', vms: storeIsThere ? [viewVm(record, undefined)] : null });
  if (question.kind !== 'vm-order') throw new Error('not asked here');
  const say = (outcome: 'done' | 'refused' | 'unknown' | 'away', because: string) =>
    Promise.resolve({ kind: 'vm-order', outcome, because, vm: outcome === 'done' ? record : null } as const);
  if (!storeIsThere) return say('away', 'the store does not answer');
  if (question.name !== record.name) return say('unknown', 'there is no such VM');
  return question.order.kind === 'move' ? say('refused', 'it is on node1 already') : say('done', 'asked for');
};

beforeAll(async () => {
  expect(await api.claim()).toBeNull();
});
afterAll(async () => {
  await api.close();
  rmSync(dir, { recursive: true, force: true });
});

function call(
  method: string,
  path: string,
  body?: string,
): Promise<{ status: number; value: Record<string, unknown> }> {
  const script = new URL('../../support/ask-socket.mjs', import.meta.url).pathname;
  const words = [script, socket, method, path, ...(body === undefined ? [] : [body])];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, words, (error, stdout) => {
      if (error === null) resolve(JSON.parse(stdout) as { status: number; value: Record<string, unknown> });
      else reject(new Error(error.message));
    });
  });
}

const name = encodeURIComponent(record.name);

it('before noded is ready nothing is done', async () => {
  const { status, value } = await call('POST', `/v1/vms/${name}/start`);
  expect({ status, value }).toEqual({ status: 503, value: { because: 'noded is not ready yet' } });
  api.serve(answer);
});

it.each<[string, string, string | undefined, number]>([
  ['GET', '/v1/vms', undefined, 200],
  ['GET', `/v1/vms/${name}`, undefined, 200],
  ['GET', `/v1/vms/${record.uuid.toUpperCase()}`, undefined, 200],
  ['GET', '/v1/vms/nobody', undefined, 404],
  ['POST', `/v1/vms/${name}/migrate`, '{"forceLive": true}', 202],
  ['POST', `/v1/vms/${name}/migrate`, undefined, 202],
  ['POST', `/v1/vms/${name}/migrate`, '{"forceLive": "yes"}', 400],
  ['POST', `/v1/vms/${name}/migrate`, '{"force-live": true}', 400],
  ['POST', `/v1/vms/${name}/start`, '{"by": "a program"}', 202],
  ['POST', `/v1/vms/${name}/move`, '{"target": "node1"}', 409],
  ['POST', '/v1/vms/nobody/stop', '{}', 404],
])('%s %s %s: %i, as described', async (method, path, body, wanted) => {
  const { status, value } = await call(method, path, body);
  expect(status).toBe(wanted);
  const { value: document } = await call('GET', '/v1/openapi.json');
  expect(undescribed(document, method, path, status, value)).toBeNull();
});

it('what was asked arrives as it was meant', () => {
  expect(asked).toContainEqual({
    kind: 'vm-order',
    name: record.name,
    order: { kind: 'migrate', target: null, forceLive: true },
    by: 'the API',
  });
  expect(asked).toContainEqual({ kind: 'vm-order', name: record.name, order: { kind: 'start' }, by: 'a program' });
});

it('without the store: 503, and nothing is done', async () => {
  storeIsThere = false;
  for (const [method, path] of [
    ['GET', '/v1/vms'],
    ['GET', `/v1/vms/${name}`],
    ['POST', `/v1/vms/${name}/stop`],
  ] as const)
    expect((await call(method, path)).status).toBe(503);
});

it('the description itself is whole: every path has its answers, and every verb is there', async () => {
  const { value } = await call('GET', '/v1/openapi.json');
  const { openapi, paths } = value as { openapi: string; paths: Record<string, object> };
  expect(openapi).toBe('3.1.0');
  expect(Object.keys(paths)).toHaveLength(12);
  expect(undescribed(value, 'GET', '/v1/nothing', 200, {})).toMatch(/not described/);
  expect(undescribed(value, 'GET', '/v1/vms', 200, { vms: [{ name: 3 }] })).toMatch(/expected string/);
});

it('a place where no socket can be made is told, and no reason to leave the cluster', async () => {
  const told: string[] = [];
  writeFileSync(join(dir, 'a-file'), '');
  const blind = new HttpPeerApi({
    socket: join(dir, 'a-file', 'noded.sock'),
    port: null,
    keys: apiKeys(0),
    onTrouble: (because) => told.push(because),
  });
  expect(await blind.claim()).toBeNull();
  expect(told).toEqual([
    expect.stringMatching(/noded\.sock could not be opened, so nodectl cannot ask the noded here/),
  ]);
  await blind.close();
});
