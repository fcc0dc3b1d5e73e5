/** The built nodectl on a real ZooKeeper that holds the records of 200 nodes, 7 of them coordinators. Nobody but this test answers. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifiedBy } from '../../src/core/observers.ts';
import type { Store } from '../../src/environment/store.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { Keepalive } from '../../src/records/keepalive.ts';
import { printRecord } from '../../src/records/record.ts';
import { Registration } from '../../src/records/registration.ts';
import { tree } from '../../src/records/tree.ts';
import { VerificationEntry, VerificationHead } from '../../src/records/verification.ts';
import { keyRing } from '../support/keys.ts';
import { ZooKeeperServers, pause, until } from '../support/zookeeper.ts';

const main = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-200-'));
const keyText = newKeyText();
let servers: ZooKeeperServers;
let store: Store;

const coordinators = 7;
const names = Array.from({ length: 200 }, (_, index) => `node${String(index + 1).padStart(3, '0')}`);
const ranked = names.map((name, index) => ({
  name,
  role: index < coordinators ? ('coordinator' as const) : ('worker' as const),
  priority: 100,
  present: true,
}));
const first = names.slice(0, coordinators);
const verifies = new Map(first.map((by) => [by, names.filter((name) => verifiedBy(by, ranked).has(name))] as const));

async function put(path: string, text: string, mode: 'persistent' | 'ephemeral' = 'persistent'): Promise<void> {
  const made = await store.create(path, text, mode);
  if (made.ok) return;
  const read = await store.read(path);
  expect(read).toMatchObject({ ok: true });
  if (read.ok) expect(await store.write(path, text, read.version)).toMatchObject({ ok: true });
}

function registration(name: string, role: Registration['role']): Registration {
  const levels = [['ipmi']];
  const devices: Registration['devices'] = [{ name: 'ipmi', kind: 'ipmi', where: `bmc-${name}:623` }];
  const who = {
    name,
    role,
    priority: 100,
    incarnation: `boot:${name}`,
    bootId: 'boot',
    machineId: name,
    hostname: name,
  };
  const timing = { intervalMs: 20_000, leaseMs: 1000, stopBoundMs: 1000, watchdogBoundMs: null };
  const rest = { pid: 1, version: 'test', action: 'reboot', apiAddress: null, systemGuid: null, vms: null } as const;
  return Registration.parse({ schema: 1, ...who, ...timing, ...rest, levels, devices, devicesSealed: null });
}

function keepalive(name: string): Keepalive {
  const none = { coordinatorState: null, ineligible: null, steppedDown: null, shutdownMs: 0 };
  const lists = { subsystems: {}, peers: {} };
  const life = { incarnation: `boot:${name}`, sequence: 1, state: 'run', intervalMs: 20_000, wallMs: Date.now() };
  return Keepalive.parse({ schema: 1, ...life, ...none, ...lists });
}

function entry(answers: string | null): VerificationEntry {
  const because =
    "login, privilege and power reading (on) proved in 812 ms, cipher suite 3; it is this machine's own BMC";
  return {
    ...{ schema: 1, canFence: true, levels: [{ level: 'ipmi', proof: 'holds', because }], power: 'on', guid: null },
    ...{ sinceWallMs: 1, fault: null, because, advice: null, wallMs: Date.now(), answers },
  };
}

async function writeRow(by: string, answers: string | null, only = names): Promise<void> {
  const head: VerificationHead = { schema: 1, incarnation: `boot:${by}`, answers: null };
  await put(tree.verification(by), printRecord(head));
  const own = (verifies.get(by) ?? []).filter((name) => only.includes(name));
  await Promise.all(own.map((name) => put(tree.verified(by, name), printRecord(entry(answers)))));
  await put(tree.verification(by), printRecord({ ...head, answers }));
}

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly tookMs: number;
}

function nodectl(...args: string[]): Promise<Said> {
  const options = { timeout: 120_000, env: { PATH: process.env['PATH'], NODEKEEPER_CONFIG: join(dir, 'config.yaml') } };
  const startMs = performance.now();
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { ...options, maxBuffer: 2 ** 26 }, (error, stdout) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 124;
      resolve({ code, stdout, tookMs: Math.round(performance.now() - startMs) });
    });
  });
}

/** As the verifiers would: each coordinator answers the request that stands there. */
async function answerNext(done: () => boolean): Promise<void> {
  for (;;) {
    const listed = await store.list(tree.requests);
    const id = listed.ok ? listed.names[0] : undefined;
    if (id !== undefined) {
      const read = await store.read(`${tree.requests}/${id}`);
      const { node } = JSON.parse(read.ok ? read.text : '{}') as { node: string | null };
      await Promise.all(first.map((by) => writeRow(by, id, node === null ? names : [node])));
      return;
    }
    if (done()) return;
    await pause(20);
  }
}

async function fenceCheck(...args: string[]): Promise<Said> {
  let isOver = false;
  const answering = answerNext(() => isOver);
  const said = await nodectl('fence-check', ...args);
  isOver = true;
  await answering;
  return said;
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start();
  writeFileSync(join(dir, 'key'), keyText, { mode: 0o600 });
  const lines = [
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }`,
    `node: { name: admin, stateDir: ${dir} }`,
    `api: { socket: ${join(dir, 'sock')}, enabled: false }`,
    `zookeeper: { servers: ['${servers.addresses()[0] ?? ''}'], tickTime: 500ms }`,
    'keepalive: { interval: 20s }',
    'detection: { savingThrows: 3 }',
  ];
  writeFileSync(join(dir, 'config.yaml'), `${lines.join('\n')}\n`, { mode: 0o600 });
  store = openZooKeeperStore({
    ...{ servers: servers.addresses(), root: '/nodekeeper/c', keys: keyRing(keyText) },
    ...{ sessionTimeoutMs: 30_000, connectTimeoutMs: 500, requestTimeoutMs: 10_000 },
  });
  await until('connected', 10_000, () => store.session().state === 'connected');
  for (const path of [tree.nodes, tree.requests, tree.fencing]) await put(path, '');
  await Promise.all(
    ranked.map(async ({ name, role }) => {
      await put(tree.node(name), printRecord(registration(name, role)));
      await put(tree.keepalive(name), printRecord(keepalive(name)));
      await put(tree.session(name), '{}', 'ephemeral');
    }),
  );
  for (const by of first) await writeRow(by, null);
}, 60_000);
afterAll(async () => {
  await store.close(500);
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('status shows all of them, and that each can be fenced', async () => {
  const said = await nodectl('status', '--json');
  expect(said.code).toBe(0);
  const { nodes } = JSON.parse(said.stdout) as { nodes: { name: string; fenceability: string; fencers: string[] }[] };
  expect(nodes.map(({ name }) => name)).toEqual(names);
  expect(nodes.filter(({ fenceability }) => fenceability !== 'ok')).toEqual([]);
  expect(nodes.at(-1)?.fencers).toEqual(names.slice(0, 4));
  expect(said.tookMs).toBeLessThan(5000);
}, 60_000);

it('fence-check waits for all rows, and reads each row once', async () => {
  const said = await fenceCheck('--json');
  const { ok, nodes } = JSON.parse(said.stdout) as { ok: boolean; nodes: { by: string[] }[] };
  expect({ code: said.code, ok, by: nodes.at(-1)?.by }).toEqual({ code: 0, ok: true, by: names.slice(0, 4) });
  expect(said.tookMs).toBeLessThan(10_000);
}, 60_000);

it('what a coordinator verified before it was no verifier any more does not answer', async () => {
  const last = names.at(-1) ?? '';
  await put(tree.verified('node007', last), printRecord(entry(null)));
  const said = await fenceCheck(last);
  expect(said.code).toBe(0);
  expect(said.stdout).toMatch(/^node004 +ipmi$/m);
  expect(said.stdout).toMatch(/^node007 +-$/m);
  expect(said.stdout).toMatch(/^node200 can be fenced$/m);
  expect(said.stdout).not.toContain('every node');
  expect(said.stdout).toMatch(/^ok +node200 can be fenced by node001, node002, node003, node004 \(verified .*\)$/m);
}, 60_000);
