/** The built noded and nodectl on a real ZooKeeper, without a lab: garbage in the store, no store, a name that is taken. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/environment/store.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { keyRing } from '../support/keys.ts';
import { ZooKeeperServers, until } from '../support/zookeeper.ts';

const nodectlMain = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const nodedMain = new URL('../../dist/daemon/main.js', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-on-zk-'));
const keyText = newKeyText();
let servers: ZooKeeperServers;
let store: Store;
const nodeds: ChildProcess[] = [];

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
interface StatusNode {
  readonly name: string;
  readonly state: string;
  readonly incarnation: string | null;
  readonly problems: readonly string[];
}

const write = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text, { mode: 0o600 });
  return join(dir, name);
};
const config = (node: string, address: string): string =>
  write(
    `${node}.yaml`,
    [
      `cluster: { name: c, keyFile: ${join(dir, 'key')} }`,
      `node: { name: ${node}, stateDir: ${join(dir, node)} }`,
      `api: { socket: ${join(dir, `${node}.sock`)}, enabled: false }`,
      `zookeeper: { servers: ['${address}'], tickTime: 500ms }`,
      'keepalive: { interval: 1s }',
      'detection: { savingThrows: 3 }',
      '',
    ].join('\n'),
  );

function nodectl(...args: string[]): Promise<Said> {
  const options = { timeout: 60_000, env: { PATH: process.env['PATH'], NODEKEEPER_CONFIG: join(dir, 'node1.yaml') } };
  return new Promise((resolve) => {
    execFile(process.execPath, [nodectlMain, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 124, stdout, stderr });
    });
  });
}
const nodes = async () => (JSON.parse((await nodectl('status', '--json')).stdout) as { nodes: StatusNode[] }).nodes;
const log = (name: string) =>
  existsSync(join(dir, `${name}.log`)) ? readFileSync(join(dir, `${name}.log`), 'utf8') : '';

function noded(name: string, file: string): ChildProcess {
  const script = `exec "${process.execPath}" "${nodedMain}" --config "${file}" > "${join(dir, name)}.log" 2>&1`;
  const child = spawn('sh', ['-c', script], { stdio: 'ignore' });
  nodeds.push(child);
  return child;
}
const exitOf = (child: ChildProcess) =>
  new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));

/** Puts any text anywhere, as a hand with zkCli would; once more where noded writes at the same moment. */
async function vandalise(path: string, text: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const read = await store.read(path);
    const done = read.ok ? await store.write(path, text, read.version) : await store.create(path, text, 'persistent');
    if (!done.ok && done.code === 'bad-version' && tries < 10) continue;
    expect(done).toMatchObject({ ok: true });
    return;
  }
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start();
  write('key', keyText);
  config('node1', servers.addresses()[0] ?? '');
  store = openZooKeeperStore({
    servers: servers.addresses(),
    root: '/nodekeeper/c',
    sessionTimeoutMs: 10_000,
    connectTimeoutMs: 500,
    requestTimeoutMs: 3000,
    keys: keyRing(keyText),
  });
  await until('connected', 10_000, () => store.session().state === 'connected');
});
/** What a test that failed has left running must not meet the next one. */
afterEach(async () => {
  const running = nodeds.splice(0).filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  const ends = running.map(exitOf);
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(ends);
});
afterAll(async () => {
  await store.close(500);
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('an empty store is an empty cluster, not an error', async () => {
  expect(await nodectl('status')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/no node has registered yet/) as string,
  });
  expect(await nodectl('events')).toMatchObject({ code: 0, stdout: 'nothing has happened yet\n' });
  expect(await nodectl('fence', 'history')).toMatchObject({ code: 0, stdout: 'no node was ever fenced\n' });
  expect((await nodectl('fence-check')).code).toBe(1);
  expect(await nodectl('node', 'show', 'node1')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/there is no node "node1"; known: none yet/) as string,
  });
});

it('noded starts, publishes, and stops in good order', async () => {
  const child = noded('node1', join(dir, 'node1.yaml'));
  await until('node1 runs', 20_000, async () => (await nodes()).find((node) => node.name === 'node1')?.state === 'run');
  expect((await nodectl('status')).stdout).toMatch(/node1 +coordinator +run/);
  expect((await nodectl('node', 'show', 'node1')).stdout).toMatch(
    /no device is configured: nobody can fence this node/,
  );
  const exit = exitOf(child);
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect((await nodes())[0]?.state).toBe('stop');
  expect(log('node1')).toMatch(/node-stopped/);
});

it('bad input: garbage, wrong schemas, huge records in every path: reported with the path, unknown, no crash', async () => {
  const child = noded('node1', join(dir, 'node1.yaml'));
  await until('node1 runs', 20_000, async () => (await nodes())[0]?.state === 'run');
  for (const path of ['/nodes/ghost', '/nodes/ghost/keepalive', '/fencing/ghost', '/maintenance/ghost'])
    await vandalise(path, 'nonsense');
  await vandalise('/nodes/huge', 'x'.repeat(400_000));
  await vandalise('/nodes/huge/keepalive', `{"schema":1,"incarnation":"${'x'.repeat(400_000)}"}`);
  await vandalise('/nodes/future', '{"schema":99}');
  await vandalise('/nodes/empty', '');
  await vandalise('/fencing', '{"schema":1,"entries":{"ghost":"exploded"}}');
  await vandalise('/history/e-9999999999', 'nonsense');
  await vandalise('/requests/garbage', 'nonsense');
  await until('node1 has told of it', 20_000, () => log('node1').includes('/nodes/future cannot be read'));
  const seen = await nodes();
  expect(seen.find((node) => node.name === 'node1')?.state).toBe('run');
  for (const name of ['ghost', 'huge', 'future', 'empty'])
    expect(seen.find((node) => node.name === name)?.state).toBe('unknown');
  expect(seen.find((node) => node.name === 'ghost')?.problems).toEqual(
    expect.arrayContaining([expect.stringMatching(/^\/nodes\/ghost cannot be read/)]),
  );
  for (const command of [['status'], ['node', 'list'], ['node', 'show', 'ghost'], ['events'], ['fence', 'history']]) {
    expect({ command, code: (await nodectl(...command)).code }).toEqual({ command, code: 0 });
  }
  await vandalise('/nodes/node1/keepalive', 'nonsense');
  await until(
    'node1 has written its keepalive anew',
    10_000,
    async () => (await nodes()).find((node) => node.name === 'node1')?.state === 'run',
  );
  expect(log('node1')).toMatch(/\/nodes\/node1\/keepalive could not be read and is written anew/);
  expect(child.exitCode).toBeNull();
  expect(log('node1')).not.toMatch(/Error:|at .*\.js:/);
  child.kill('SIGTERM');
  await exitOf(child);
});

/** nodectl on a terminal of 80 x 24, as `script` of util-linux makes one; `keys` are typed when `when` is on it. */
function onTerminal(args: string, when: RegExp, keys: string): Promise<{ code: number | null; screen: string }> {
  const inner = `stty rows 24 cols 80; exec "${process.execPath}" "${nodectlMain}" ${args}`;
  const env = { ...process.env, NODEKEEPER_CONFIG: join(dir, 'node1.yaml'), TERM: 'xterm', LC_ALL: 'C.UTF-8' };
  const child = spawn('script', ['-qec', inner, '/dev/null'], { env, timeout: 30_000 });
  let screen = '';
  let typed = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text;
    if (typed || !when.test(screen)) return;
    typed = true;
    child.stdin.write(keys);
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, screen })));
}

it.each([
  ['q', 'q'],
  ['Ctrl-C', '\x03'],
])('status --watch: the whole screen, and everything as it was after %s', async (_name, key) => {
  const { code, screen } = await onTerminal('status --watch', /node1 +\S*(run|stop)/, key);
  expect(code).toBe(0);
  expect(screen.startsWith('\x1b[?1049h\x1b[?25l')).toBe(true);
  expect(screen).toMatch(/cluster c: [^]*NODE +STATE[^]*q quits/);
  expect(screen.endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
});

it('Ctrl-C where a name is to be typed: nothing was done, and no word of a stack trace', async () => {
  const { code, screen } = await onTerminal('fence node1', /Type its name/, '\x03');
  expect(code).toBe(4);
  expect(screen).toMatch(/not confirmed; nothing was done/);
  expect(screen).not.toMatch(/AbortError|at .*:\d+/);
});

it('status --watch: without a terminal, and together with what is for programs, it is refused', async () => {
  expect(await nodectl('status', '--watch')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/this needs a terminal; for programs there is --json/) as string,
  });
  expect((await nodectl('status', '--watch', '--json')).code).toBe(2);
});

it('a second noded of the same name on the same machine refuses to start and names the first', async () => {
  const first = noded('node1', join(dir, 'node1.yaml'));
  await until('node1 runs', 20_000, async () => (await nodes()).find((node) => node.name === 'node1')?.state === 'run');
  const second = noded('second', join(dir, 'node1.yaml'));
  expect(await exitOf(second)).toBe(4);
  expect(log('second')).toMatch(/another noded of this machine serves/);
  expect({ exitCode: first.exitCode, log: log('node1') }).toMatchObject({ exitCode: null });
  first.kill('SIGTERM');
  await exitOf(first);
});

it('no ZooKeeper at the start: noded waits, says so, and a signal ends it at once', async () => {
  const child = noded('alone', config('alone', '127.0.0.1:1'));
  await until('it says so', 10_000, () =>
    log('alone').includes('ZooKeeper is not reachable; nobody is fenced from here'),
  );
  const exit = exitOf(child);
  child.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('a request to fence that nobody takes is taken back', async () => {
  const startMs = performance.now();
  const said = await nodectl('fence', 'node1', '--yes', '--timeout', '2');
  expect(said).toMatchObject({
    code: 5,
    stderr: expect.stringMatching(/no coordinator took the request within 2 s; it was taken back/) as string,
  });
  expect(performance.now() - startMs).toBeLessThan(10_000);
  const left = await store.list('/requests');
  expect(left.ok ? left.names.filter((name) => name !== 'garbage') : null).toEqual([]);
  expect(await nodectl('fence', 'node1')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/Say --yes/) as string,
  });
  expect(await nodectl('fence', 'nobody', '--yes')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/there is no node "nobody"/) as string,
  });
});

it('node remove: refused while the node lives, asked for by name, and then nothing of it is left', async () => {
  const child = noded('node1', join(dir, 'node1.yaml'));
  await until('node1 runs', 20_000, async () => (await nodes()).find((node) => node.name === 'node1')?.state === 'run');
  expect(await nodectl('node', 'remove', 'node1', '--yes')).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/holds a live session/) as string,
  });
  child.kill('SIGTERM');
  await exitOf(child);
  expect(await nodectl('node', 'remove', 'node1')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/Say --yes/) as string,
  });
  expect(await nodectl('node', 'remove', 'node1', '--yes')).toMatchObject({ code: 0, stdout: 'node1 is forgotten\n' });
  expect((await nodes()).find((node) => node.name === 'node1')).toBeUndefined();
  for (const path of ['/nodes/node1', '/fencing/node1'])
    expect(await store.read(path)).toMatchObject({ ok: false, code: 'no-node' });
  expect((await nodectl('node', 'remove', 'ghost', '--yes')).code).toBe(0);
  expect((await nodectl('node', 'remove', 'nobody', '--yes')).code).toBe(2);
  const again = noded('node1', join(dir, 'node1.yaml'));
  await until(
    'node1 registers anew',
    20_000,
    async () => (await nodes()).find((node) => node.name === 'node1')?.state === 'run',
  );
  again.kill('SIGTERM');
  await exitOf(again);
});

it('S6: Ctrl-C takes a request back at once', async () => {
  const env = { PATH: process.env['PATH'], NODEKEEPER_CONFIG: join(dir, 'node1.yaml') };
  const child = spawn(process.execPath, [nodectlMain, 'fence', 'node1', '--yes'], { stdio: 'ignore', env });
  const requests = async () => {
    const listed = await store.list('/requests');
    return listed.ok ? listed.names.filter((name) => name !== 'garbage') : [];
  };
  await until('the request stands', 10_000, async () => (await requests()).length === 1);
  const exit = exitOf(child);
  child.kill('SIGINT');
  expect(await exit).toBe(130);
  expect(await requests()).toEqual([]);
});
