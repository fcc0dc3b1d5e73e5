/**
 * ZooKeeper over mutual TLS, against a real server that takes nobody without a certificate: the same promises as without, the
 * reasons of what does not come about, certificates renewed in flight, x509 subjects beside the cluster key.
 */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../../src/environment/store.ts';
import { Certificates } from '../../../src/lab/certificates.ts';
import { foreignEntries } from '../../../src/real/zookeeper/access.ts';
import type { LibraryAcl } from '../../../src/real/zookeeper/library.ts';
import { openSession } from '../../../src/real/zookeeper/session.ts';
import { openZooKeeperStore } from '../../../src/real/zookeeper/store.ts';
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
