/**
 * S8: the built noded on a real ZooKeeper whose servers have names, while a resolver that never answers, or a disk that hangs under its
 * configuration, is in the way: its keepalives go on.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/environment/store.ts';
import { KeyRing, clusterKeys, newKeyText } from '../../src/real/secrets.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { DeadResolver } from '../support/dead-resolver.ts';
import { hangFor } from '../support/hung-disk.ts';
import { ZooKeeperServers, pause, until } from '../support/zookeeper.ts';

const dist = process.env['NODEKEEPER_DIST'] ?? new URL('../../dist', import.meta.url).pathname;
const nodedMain = join(dist, 'daemon/main.js');
const dir = mkdtempSync(join(tmpdir(), 'nk-hangs-'));
const resolver = new DeadResolver(dir);
const configFile = join(dir, 'config.yaml');
const logFile = join(dir, 'noded.log');
const keyText = newKeyText();
let servers: ZooKeeperServers;
let store: Store;
let noded: ChildProcess;
/** A follower, which most names lead to, and the names in the order of the configuration. */
let follower = 0;
/** The one that it is connected to when that one has died. */
let nextFollower = 0;
const hosts = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'zk2', 'zk3'].map((name) => `${name}.hung.test`);

const config = (level: 'info' | 'debug') => {
  const ports = servers.addresses().map((address) => address.split(':')[1] ?? '');
  const order = [...Array<number>(8).fill(follower), nextFollower, 3 - follower - nextFollower];
  const at = hosts.map((host, k) => `'${host}:${ports[order[k] ?? 0]}'`);
  const lines = [
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }`,
    `node: { name: node1, stateDir: ${join(dir, 'state')} }`,
    `api: { socket: ${join(dir, 'sock')}, enabled: false }`,
    `zookeeper: { servers: [${at.join(', ')}], tickTime: 500ms }`,
    'keepalive: { interval: 1s }',
    'detection: { savingThrows: 3 }',
    `log: { level: ${level} }`,
  ];
  return `${lines.join('\n')}\n`;
};
const log = () => readFileSync(logFile, 'utf8');
const sequence = async (): Promise<number | null> => {
  const read = await store.read('/nodes/node1/keepalive');
  return read.ok && read.text !== '' ? (JSON.parse(read.text) as { sequence: number }).sequence : null;
};
/** The longest time without a new keepalive, in the next `ms`. */
async function longestGapMs(ms: number): Promise<number> {
  const endMs = performance.now() + ms;
  let longest = 0;
  let last = { sequence: await sequence(), atMs: performance.now() };
  while (performance.now() < endMs) {
    await pause(50);
    const now = await sequence();
    longest = Math.max(longest, performance.now() - last.atMs);
    if (now !== null && now !== last.sequence) last = { sequence: now, atMs: performance.now() };
  }
  return longest;
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start({ servers: 3 });
  const leader = await servers.leader();
  [follower = 0, nextFollower = 0] = [0, 1, 2].filter((index) => index !== leader);
  writeFileSync(join(dir, 'key'), keyText, { mode: 0o600 });
  writeFileSync(configFile, config('info'), { mode: 0o600 });
  await resolver.start();
  resolver.hosts(hosts);
  const keys = clusterKeys(keyText, 'c');
  if (typeof keys === 'string') throw new Error(keys);
  store = openZooKeeperStore({
    servers: [servers.addresses()[leader] ?? ''],
    root: '/nodekeeper/c',
    keys: new KeyRing(keys),
    sessionTimeoutMs: 10_000,
    connectTimeoutMs: 1000,
    requestTimeoutMs: 3000,
  });
  const [unshare, ...words] = resolver.around(process.execPath, nodedMain, '--config', configFile);
  const out = openSync(logFile, 'w');
  noded = spawn(unshare, words, { stdio: ['ignore', out, out], env: { ...process.env, UV_THREADPOOL_SIZE: '64' } });
  closeSync(out);
  await until('it publishes', 40_000, async () => ((await sequence()) ?? 0) > 2);
}, 90_000);
afterAll(async () => {
  noded.kill('SIGKILL');
  await store.close(1000);
  await servers.stop();
  await resolver.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('S8: the lookups of all its servers hang, and its server dies: it goes on with the last good addresses', async () => {
  resolver.hosts([]);
  await servers.end(follower);
  const gapMs = await longestGapMs(15_000);
  expect(gapMs).toBeLessThan(3000);
  expect(resolver.asked.size).toBeGreaterThanOrEqual(8);
  expect(log()).toMatch(/b\.hung\.test.*the last good answer is used.*a name lookup does not answer/);
  expect(log()).not.toMatch(/store lost|UV_THREADPOOL_SIZE/);
  resolver.hosts(hosts);
  servers.boot(follower);
  await servers.ready();
}, 60_000);

it('S8: a reload whose files hang: the keepalives go on, the old configuration stays, and a later one is taken up', async () => {
  rmSync(configFile);
  execFileSync('mkfifo', ['-m', '600', configFile]); // whoever opens it for reading waits for a writer
  noded.kill('SIGHUP');
  setTimeout(() => noded.kill('SIGHUP'), 500);
  expect(await longestGapMs(5000)).toBeLessThan(2000);
  expect(log()).toMatch(/the configuration cannot be read: no answer within 3000 ms.*the old one stays/);
  expect(log()).toMatch(/an earlier read of it has not ended.*the old one stays/);
  const fifo = openSync(configFile, constants.O_RDWR | constants.O_NONBLOCK);
  writeFileSync(`${configFile}.new`, config('debug'), { mode: 0o600 });
  renameSync(`${configFile}.new`, configFile);
  closeSync(fifo);
  await pause(200);
  noded.kill('SIGHUP');
  await until('it is taken up', 5000, () => log().includes('the configuration was taken up'));
  expect(await longestGapMs(2000)).toBeLessThan(2000);
}, 40_000);

it('S8: its disk and the lookups hang together, and its server dies: the keepalives go on', async () => {
  const hung = hangFor(noded.pid ?? 0, join(dir, 'state'));
  try {
    const look = ['-t', String(noded.pid), '-m', 'timeout', '1', 'stat', '-f', join(dir, 'state')];
    await until('it hangs', 20_000, () => spawnSync('nsenter', look).status === 124);
    resolver.hosts([]);
    await servers.end(nextFollower);
    expect(await longestGapMs(15_000)).toBeLessThan(3000);
    expect(log()).not.toMatch(/store lost/);
  } finally {
    hung.kill('SIGKILL');
  }
}, 60_000);
