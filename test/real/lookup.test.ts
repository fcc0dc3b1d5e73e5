/** S7, S8: names whose lookup hangs delay no other name and no file; with the system's own lookup and a resolver that never answers. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { LookupAddress } from 'node:dns';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { Lookups, threadsOf, threadsWanted } from '../../src/real/lookup.ts';
import { DeadResolver } from '../support/dead-resolver.ts';
import { pause, until } from '../support/zookeeper.ts';

const root = new URL('../../', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-lookup-'));
const resolver = new DeadResolver(dir);
const server = createServer((socket) => socket.destroy());
const program = join(dir, 'program.mjs');

/** Asks eight peers by names that hang, then connects to `zk.test` as the ZooKeeper client does, and writes its journal. */
const source = `
import { connect } from 'node:net';
import { fileJournal } from '${root}src/real/journal.ts';
import { post } from '${root}src/real/http/post.ts';
import { lookups } from '${root}src/real/lookup.ts';
const [, , dir, port, how] = process.argv;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const key = { name: 'k', secret: Buffer.alloc(32) };
const ownLookup = how === 'system' ? {} : { lookup: lookups.for('zookeeper') };
const peers = [...'12345678'].map((n) => how === 'system' ? new Promise((resolve) => connect({ host: 'peer' + n + '.dead.test', port: 1 }).on('error', resolve))
  : post({ address: 'peer' + n + '.dead.test:1', key }, '/ask', {}, 1500));
await pause(200);
const startMs = performance.now();
const took = () => Math.round(performance.now() - startMs);
const connected = new Promise((resolve) => {
  const socket = connect({ host: 'zk.test', port: Number(port), ...ownLookup });
  socket.on('connect', () => resolve(took()));
  socket.on('error', (error) => resolve(error.message));
});
const written = fileJournal(dir).write('a.json', '1').then((failed) => failed ?? took());
const late = pause(1000).then(() => 'late');
const seen = { connected: await Promise.race([connected, late]), written: await Promise.race([written, late]) };
if (how !== 'system') seen.peers = (await Promise.all(peers)).map(({ code }) => code);
seen.tookMs = took();
process.stdout.write(JSON.stringify(seen), () => process.kill(process.pid, 'SIGKILL')); // an exit would wait for the threads
`;

beforeAll(async () => {
  writeFileSync(join(dir, 'entry.ts'), source);
  const common = { bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' } as const;
  await build({ ...common, entryPoints: [join(dir, 'entry.ts')], outfile: program });
  await resolver.start();
  resolver.hosts(['zk.test']);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await resolver.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Seen {
  readonly connected: number | string;
  readonly written: number | string;
  readonly peers?: readonly string[];
  readonly tookMs: number;
}

async function seen(how: 'ours' | 'system', threads?: number): Promise<Seen> {
  const { port } = server.address() as AddressInfo;
  const [unshare, ...words] = resolver.around(process.execPath, program, join(dir, 'state'), String(port), how);
  const env = { PATH: process.env['PATH'], ...(threads === undefined ? {} : { UV_THREADPOOL_SIZE: String(threads) }) };
  const ended = (await promisify(execFile)(unshare, words, { env, timeout: 30_000 }).catch(
    (error: unknown) => error,
  )) as {
    readonly stdout: string;
    readonly stderr: string;
  };
  if (ended.stdout === '') throw new Error(ended.stderr);
  return JSON.parse(ended.stdout) as Seen;
}

it.each([64, undefined])(
  'S8: eight lookups hang: a name of /etc/hosts is found, the journal written; threads: %s',
  async (threads) => {
    const { connected, written, peers, tookMs } = await seen('ours', threads);
    expect(connected).toBeLessThan(500);
    expect(written).toBeLessThan(500);
    // Who asked the others has an error in time: late, or at once where too many hang already.
    expect(peers).toHaveLength(8);
    expect(new Set(peers)).toEqual(new Set(threads === undefined ? ['timeout', 'failed'] : ['timeout']));
    expect(tookMs).toBeLessThan(2500);
  },
);

it("the same with Node's own lookup: the name of /etc/hosts waits behind the others", async () => {
  expect(await seen('system')).toMatchObject({ connected: 'late', written: expect.any(Number) as number });
});

it.each(['systemd/noded.service', 'src/lab/host/noded.sh'])(
  '%s starts noded with the threads that it wants',
  (file) => {
    expect(readFileSync(join(root, file), 'utf8')).toContain(`UV_THREADPOOL_SIZE=${threadsWanted}\n`);
  },
);

describe('one name', () => {
  const good: LookupAddress[] = [{ address: '192.0.2.1', family: 4 }];
  const failure = (code: string) => Object.assign(new Error(code), { code });
  /** A resolver by hand: each question waits until the test answers it. */
  function byHand() {
    const waiting: { resolve: (addresses: LookupAddress[]) => void; reject: (error: Error) => void }[] = [];
    const ask = () => new Promise<LookupAddress[]>((resolve, reject) => waiting.push({ resolve, reject }));
    const told: string[] = [];
    const lookups = new Lookups(64, ask);
    lookups.onTrouble = (name, because) => told.push(`${name}: ${because ?? 'well'}`);
    return { waiting, lookups, told };
  }

  it('is asked for once at a time; the late answer is for the next one who asks', async () => {
    const { waiting, lookups, told } = byHand();
    const both = [lookups.addresses('a', 'zookeeper'), lookups.addresses('a', 'peer')];
    await pause(1100);
    expect(waiting).toHaveLength(1);
    expect(told).toEqual(['a: no answer within 1000 ms']);
    waiting[0]?.resolve(good);
    expect(await Promise.all(both)).toEqual([good, good]);
    expect(told.at(-1)).toBe('a: well');
  });

  it('without a last good answer there is an error in time', async () => {
    const { lookups } = byHand();
    const startMs = performance.now();
    await expect(lookups.addresses('a', 'zookeeper')).rejects.toThrow(
      'the name a was not resolved: no answer within 5000 ms',
    );
    expect(performance.now() - startMs).toBeLessThan(6000);
  }, 10_000);

  it('the last good answer is used while it hangs and when the resolver fails, not when there is no such name', async () => {
    const { waiting, lookups, told } = byHand();
    const first = lookups.addresses('a', 'zookeeper');
    waiting.shift()?.resolve(good);
    await first;
    const startMs = performance.now();
    expect(await lookups.addresses('a', 'zookeeper')).toEqual(good);
    expect(performance.now() - startMs).toBeLessThan(400);
    const again = performance.now();
    for (let asked = 0; asked < 20; asked += 1) expect(await lookups.addresses('a', 'zookeeper')).toEqual(good);
    expect(performance.now() - again).toBeLessThan(100); // nobody waits a second time for the same question
    expect(waiting).toHaveLength(1);
    waiting.shift()?.reject(failure('EAI_AGAIN'));
    await until('told', 1000, () => told.length === 1);
    expect(told).toEqual(['a: EAI_AGAIN; the last good answer is used']);
    const afterFailure = lookups.addresses('a', 'zookeeper');
    waiting.shift()?.reject(failure('EAI_AGAIN'));
    expect(await afterFailure).toEqual(good);
    const gone = lookups.addresses('a', 'zookeeper');
    waiting.shift()?.reject(failure('ENOTFOUND'));
    await expect(gone).rejects.toMatchObject({ code: 'ENOTFOUND' });
    const moved = lookups.addresses('a', 'zookeeper');
    waiting.shift()?.resolve([{ address: '192.0.2.2', family: 4 }]);
    expect(await moved).toEqual([{ address: '192.0.2.2', family: 4 }]);
  });

  it('names of peers never take the share of the ZooKeeper servers', async () => {
    const { waiting, lookups } = byHand(); // of 64 threads 32 look up names
    const peers = Array.from({ length: 40 }, (_, k) => lookups.addresses(`peer${k}`, 'peer').catch(String));
    expect(waiting).toHaveLength(24);
    expect(await peers[39]).toMatch(/24 other names are being looked up/);
    const zookeeper = lookups.addresses('zk1', 'zookeeper');
    waiting.at(-1)?.resolve(good);
    expect(await zookeeper).toEqual(good);
    for (const one of waiting) one.resolve(good);
    await Promise.all(peers);
    const next = lookups.addresses('peer39', 'peer');
    waiting.at(-1)?.resolve(good);
    expect(await next).toEqual(good);
  });

  it.each([
    [undefined, 4],
    ['64', 64],
    ['0', 1],
    ['nonsense', 1],
    ['5000', 1024],
  ])('UV_THREADPOOL_SIZE=%s are %i threads', (value, threads) => {
    expect(threadsOf(value)).toBe(threads);
  });
});
