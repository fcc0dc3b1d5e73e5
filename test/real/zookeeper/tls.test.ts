/**
 * ZooKeeper over mutual TLS, against a real server that takes nobody without a certificate: the same promises as without, the
 * reasons of what does not come about, certificates renewed in flight, x509 subjects beside the cluster key.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../../src/environment/store.ts';
import { Certificates } from '../../../src/lab/certificates.ts';
import { foreignEntries } from '../../../src/real/zookeeper/access.ts';
import type { LibraryAcl } from '../../../src/real/zookeeper/library.ts';
import { openSession } from '../../../src/real/zookeeper/session.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
import { tlsFiles } from '../../../src/real/zookeeper/tls-files.ts';
import type { ZooKeeperTls } from '../../../src/real/zookeeper/tls.ts';
import { storeKeys } from '../../support/keys.ts';
import { Proxy } from '../../support/proxy.ts';
import { ZooKeeperServers, pause, until } from '../../support/zookeeper.ts';

const dir = mkdtempSync(join(tmpdir(), 'nk-tls-'));
const folder = (name: string) => {
  mkdirSync(join(dir, name));
  return join(dir, name);
};
const authority = new Certificates(folder('ours'));
const stranger = new Certificates(folder('strange'));
const own = authority.issue('node1', ['DNS:node1']);
const tls: ZooKeeperTls = { caFile: authority.caFile, certificateFile: own.certificateFile, keyFile: own.keyFile };
const timing = { sessionTimeoutMs: 4000, connectTimeoutMs: 500, requestTimeoutMs: 2000 };
const opened: { close(deadlineMs: number): Promise<unknown> }[] = [];
let servers: ZooKeeperServers;
let troubles: string[] = [];

beforeAll(async () => {
  const { bothFile } = authority.issue('server', ['DNS:localhost', 'IP:127.0.0.1']);
  servers = await ZooKeeperServers.start({ tls: { caFile: authority.caFile, bothFile } });
});
beforeEach(() => (troubles = []));
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close(500)));
});
afterAll(async () => {
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Opening {
  readonly at?: readonly string[];
  readonly root?: string;
  readonly digest?: string;
  readonly subjects?: readonly string[];
}
/** The right key, in the wrong place. */
function exposed(): string {
  const file = join(dir, 'exposed.key');
  copyFileSync(own.keyFile, file);
  chmodSync(file, 0o644);
  return file;
}
function open(
  by: ZooKeeperTls | null,
  { at = servers.addresses(), root = '/nodekeeper/c', digest = 'nodekeeper:a', subjects = [] }: Opening = {},
): Store {
  const onTrouble = (because: string) => void troubles.push(because);
  const keys = storeKeys(digest);
  const store = openZooKeeperStore({ servers: at, root, keys, tls: by, subjects, onTrouble, ...timing });
  opened.push(store);
  return store;
}
/** The session hears of the cut. It may be connected again within a millisecond, so its state alone would not show it. */
async function cut(proxy: Proxy, store: Store): Promise<void> {
  let seen = false;
  const stop = store.onSession(({ state }) => (seen ||= state !== 'connected'));
  proxy.cutAll();
  await until('it sees the cut', 1000, () => seen);
  stop();
}
const connected = (store: Store) => until('connected', 10_000, () => store.session().state === 'connected');

it('it works as without: made, written by version, read, watched, kept alive, closed', async () => {
  const store = open(tls);
  await connected(store);
  expect((await store.create('/a', 'one', 'persistent')).ok).toBe(true);
  expect((await store.create('/e', '', 'ephemeral')).ok).toBe(true);
  let seen = false;
  const read = await store.read('/a', () => (seen = true));
  expect(read).toMatchObject({ ok: true, text: 'one', version: 0 });
  expect(await store.write('/a', 'x'.repeat(300_000), 0)).toMatchObject({ ok: true, version: 1 });
  await until('the watch fires', 2000, () => seen);
  expect(((await store.read('/a')) as { text: string }).text).toHaveLength(300_000);
  const { generation } = store.session();
  await pause(timing.sessionTimeoutMs * 1.5); // pings alone hold it
  expect(store.session()).toMatchObject({ state: 'connected', generation });
  await store.close(1000);
  const other = open(tls);
  await connected(other);
  expect(await other.read('/e')).toMatchObject({ ok: false, code: 'no-node' });
  expect(troubles).toEqual([]);
});

it('a server that falls silent is noticed as without TLS, and the session lives on', async () => {
  const proxy = new Proxy(servers.addresses()[0] ?? '');
  const store = open(tls, { at: [await proxy.listen()] });
  await connected(store);
  const { generation } = store.session();
  proxy.mode = 'blackhole';
  const tookMs = await until('suspended', timing.sessionTimeoutMs, () => store.session().state === 'suspended');
  expect(tookMs).toBeLessThan(timing.sessionTimeoutMs / 2);
  proxy.cutAll();
  proxy.mode = 'pass';
  await connected(store);
  expect(store.session().generation).toBe(generation);
  await proxy.close();
});

it.each<[string, () => ZooKeeperTls | null, RegExp | null]>([
  ['no certificate', () => ({ ...tls, certificateFile: null, keyFile: null }), /alert|certificate/i],
  ["a stranger's certificate", () => ({ ...tls, ...stranger.issue('node1', ['DNS:node1']) }), /alert|certificate/i],
  ['a server that another authority vouches for', () => ({ ...tls, caFile: stranger.caFile }), /certificate/i],
  ['a file that is not there', () => ({ ...tls, caFile: join(dir, 'nothing.pem') }), /nothing\.pem/],
  [
    'a file that is no certificate',
    () => ({ ...tls, certificateFile: join(dir, 'garbage.pem') }),
    /PEM|asn1|no start line/i,
  ],
  [
    'a key that others can read',
    () => ({ ...tls, keyFile: exposed() }),
    /private key .* can be read by others \(mode 0644\)/,
  ],
  ['no TLS at all', () => null, null],
])('%s: no session, the reason is told, nothing ends, and the right files let it in', async (_name, made, expected) => {
  writeFileSync(join(dir, 'garbage.pem'), 'garbage\n');
  const store = open(made());
  await pause(2500);
  expect(store.session().state).toBe('connecting');
  expect(await store.read('/a')).toMatchObject({ ok: false, code: 'not-connected' });
  if (expected !== null) expect(troubles.join('\n')).toMatch(expected);
  await connected(open(tls));
});

it('a server whose certificate bears another name is not believed', async () => {
  const proxy = new Proxy(servers.addresses()[0] ?? '');
  const store = open(tls, { at: [await proxy.listen('127.0.0.2')] });
  await until('it is refused', 5000, () => troubles.length > 0);
  expect(troubles[0]).toMatch(/127\.0\.0\.2.*altnames/);
  expect(store.session().state).toBe('connecting');
  await proxy.close();
});

it('a renewed certificate is taken up at the next connection', async () => {
  const files = { caFile: tls.caFile, certificateFile: join(dir, 'own.pem'), keyFile: join(dir, 'own.key') };
  const proxy = new Proxy(servers.addresses()[0] ?? '');
  const bad = stranger.issue('late', ['DNS:node1']);
  copyFileSync(bad.certificateFile, files.certificateFile);
  copyFileSync(bad.keyFile, files.keyFile);
  const store = open(files, { at: [await proxy.listen()] });
  await until('it is refused', 5000, () => troubles.length > 0);
  copyFileSync(own.certificateFile, files.certificateFile);
  copyFileSync(own.keyFile, files.keyFile);
  await connected(store);
  await proxy.close();
});

it('what is made belongs to the cluster key and to the named subjects, not to whoever made it', async () => {
  const root = '/nodekeeper/named';
  const keys = storeKeys('nodekeeper:b');
  const store = open(tls, { root, digest: 'nodekeeper:b', subjects: ['CN=backup'] });
  await connected(store);
  expect(await store.create('/mine', '', 'persistent')).toMatchObject({ ok: true });
  const withKey = openSession({ servers: servers.addresses(), keys, tls, ...timing });
  opened.push(withKey);
  await until('connected', 5000, () => withKey.view().state === 'connected');
  const reply = await withKey.request<readonly LibraryAcl[]>('read', (client, done) =>
    client.getACL(`${root}/mine`, (error, acl) => done(error, acl)),
  );
  if (!reply.ok) throw new Error(reply.message);
  expect(reply.value.map(({ id }) => id.scheme)).toEqual(['digest', 'x509']);
  expect(foreignEntries(reply.value, { keys, subjects: ['CN=backup'] })).toEqual([]);
  // The same certificate with another key is nobody; the named subject needs no key.
  const sameHost = open(tls, { root, digest: 'nodekeeper:other' });
  await connected(sameHost);
  expect(await sameHost.read('/mine')).toMatchObject({ ok: false, code: 'no-auth' });
  const subject = authority.issue('backup', ['DNS:backup']);
  const backup = open({ caFile: tls.caFile, ...subject }, { root, digest: 'nodekeeper:other' });
  await connected(backup);
  expect(await backup.read('/mine')).toMatchObject({ ok: true });
});

describe('S8: files that hang, as on a dead NFS server', () => {
  /** What opens it for reading waits until it is opened for writing. */
  const hang = (file: string) => {
    rmSync(file);
    execFileSync('mkfifo', ['-m', '600', file]);
  };
  const release = (file: string, from: string) => {
    const fifo = openSync(file, constants.O_RDWR | constants.O_NONBLOCK); // the one that waits goes on, and reads nothing
    copyFileSync(from, `${file}.new`);
    renameSync(`${file}.new`, file);
    return () => closeSync(fifo);
  };

  it.each(['ca.pem', 'own.pem', 'own.key'])('%s: the last good files are used, nothing stands still', async (name) => {
    const at = mkdtempSync(join(dir, 'hang-'));
    const files = { caFile: join(at, 'ca.pem'), certificateFile: join(at, 'own.pem'), keyFile: join(at, 'own.key') };
    const good: Record<string, string> = {
      'ca.pem': authority.caFile,
      'own.pem': own.certificateFile,
      'own.key': own.keyFile,
    };
    for (const [file, from] of Object.entries(good)) copyFileSync(from, join(at, file));
    const told: (string | null)[] = [];
    tlsFiles.onTrouble = (because) => told.push(because);
    const proxy = new Proxy(servers.addresses()[0] ?? '');
    const store = open(files, { at: [await proxy.listen()] });
    await connected(store);
    const { generation } = store.session();
    hang(join(at, name));
    let longestMs = 0;
    let lastMs = performance.now();
    const ticking = setInterval(() => {
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }, 20);
    for (let time = 0; time < 6; time += 1) {
      await cut(proxy, store);
      await until('it is connected again', 2500, () => store.session().state === 'connected');
    }
    clearInterval(ticking);
    expect(longestMs).toBeLessThan(1000);
    expect(store.session().generation).toBe(generation);
    await until('it is told', 2000, () => told.length > 0);
    expect(told[0]).toMatch(new RegExp(`${name}.*no answer within 1000 ms; the last good answer is used`));
    release(join(at, name), good[name] ?? '')();
    await until('it is read again', 5000, () => {
      proxy.cutAll();
      return told.includes(null);
    });
    await connected(store);
    await proxy.close();
  });

  it('a renewal that has written half of them: the last good ones, and it is told', async () => {
    const at = mkdtempSync(join(dir, 'half-'));
    const files = { ...tls, certificateFile: join(at, 'own.pem'), keyFile: join(at, 'own.key') };
    copyFileSync(own.certificateFile, files.certificateFile);
    copyFileSync(own.keyFile, files.keyFile);
    const told: (string | null)[] = [];
    tlsFiles.onTrouble = (because) => told.push(because);
    const proxy = new Proxy(servers.addresses()[0] ?? '');
    const store = open(files, { at: [await proxy.listen()] });
    await connected(store);
    copyFileSync(authority.issue('renewed', ['DNS:node1']).certificateFile, files.certificateFile); // its key comes later
    await cut(proxy, store);
    await connected(store);
    expect(told).toEqual([expect.stringMatching(/own\.pem.*mismatch.*; the last good answer is used/)]);
    await proxy.close();
  });

  it('from the start: no session, the reason is told; when they answer, a session', async () => {
    const at = mkdtempSync(join(dir, 'hang-'));
    const files = { ...tls, caFile: join(at, 'ca.pem') };
    copyFileSync(authority.caFile, files.caFile);
    hang(files.caFile);
    const store = open(files);
    await until('it is told', 5000, () => troubles.length > 0);
    expect(troubles[0]).toMatch(/ca\.pem.*: no answer within 1000 ms/);
    release(files.caFile, authority.caFile)();
    await connected(store);
  });
});
