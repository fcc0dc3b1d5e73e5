/** What nodectl says around failed fences and distrusted devices: two built nodeds, a real ZooKeeper, a switch that is a file. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Store } from '../../src/environment/store.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { DeviceKnowledgeRecord } from '../../src/records/device-knowledge.ts';
import { FenceRecord, noFence } from '../../src/records/fence.ts';
import { printRecord } from '../../src/records/record.ts';
import { tree } from '../../src/records/tree.ts';
import { keyRing } from '../support/keys.ts';
import { ZooKeeperServers, pause, until } from '../support/zookeeper.ts';

const nodectlMain = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const nodedMain = new URL('../../dist/daemon/main.js', import.meta.url).pathname;
const agent = new URL('../support/fence-switch.sh', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-fence-words-'));
const keyText = newKeyText();
let servers: ZooKeeperServers;
let store: Store;
const nodeds: ChildProcess[] = [];
const commands: ChildProcess[] = [];

interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function configure(node: string, address: string): string {
  const file = join(dir, `${node}.yaml`);
  const lines = [
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }`,
    `node: { name: ${node}, stateDir: ${join(dir, node)} }`,
    `api: { socket: ${join(dir, `${node}.sock`)}, enabled: false }`,
    `zookeeper: { servers: ['${address}'], tickTime: 500ms, sessionTimeout: 9s }`,
    'keepalive: { interval: 1s }',
    'detection: { savingThrows: 60 }',
    'fencing:',
    '  levelDeadline: 4s',
    '  retryBackoff: 5s',
    '  verifyInterval: 1h',
    `  devices: [{ name: pdu, agent: ${join(dir, 'fence_switch')}, options: { plug: ${node} }, timeout: 5s }]`,
    '',
  ];
  writeFileSync(file, lines.join('\n'), { mode: 0o600 });
  return file;
}

const env = () => ({ PATH: process.env['PATH'] ?? '', NODEKEEPER_CONFIG: join(dir, 'node1.yaml') });

function nodectl(...args: string[]): Promise<Said> {
  return new Promise((resolve) => {
    execFile(process.execPath, [nodectlMain, ...args], { timeout: 60_000, env: env() }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 124, stdout, stderr });
    });
  });
}

/** nodectl that goes on: what it has said so far, and how it ends. */
function going(...args: string[]): { child: ChildProcess; said: () => string; end: Promise<Said> } {
  const child = spawn(process.execPath, [nodectlMain, ...args], { env: env() });
  commands.push(child);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const end = new Promise<Said>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
  return { child, said: () => stdout, end };
}

const mode = (text: string) => writeFileSync(join(dir, 'mode-node2'), text);
const orders = () => (existsSync(join(dir, 'orders-node2')) ? readFileSync(join(dir, 'orders-node2'), 'utf8') : '');
async function fence(): Promise<FenceRecord> {
  const read = await store.read(tree.fence('node2'));
  return read.ok && read.text !== '' ? FenceRecord.parse(JSON.parse(read.text)) : noFence('node2');
}
const stateOf = async () => {
  const { stdout } = await nodectl('status', '--json');
  return (JSON.parse(stdout) as { nodes: { name: string; state: string }[] }).nodes.find(({ name }) => name === 'node2')
    ?.state;
};

async function put(path: string, text: string): Promise<void> {
  const read = await store.read(path);
  const done = read.ok ? await store.write(path, text, read.version) : await store.create(path, text, 'persistent');
  expect(done).toMatchObject({ ok: true });
}

const foundAtMs = new Date(2026, 0, 2, 3, 4, 5).getTime();
async function distrust(kind: 'disobeyed' | 'wrong-state'): Promise<void> {
  const read = await store.read(tree.devices('node2'));
  const before = read.ok && read.text !== '' ? DeviceKnowledgeRecord.parse(JSON.parse(read.text)) : null;
  const registration = await store.read(tree.node('node2'));
  const { devices } = JSON.parse(registration.ok ? registration.text : '{}') as { devices: { where: string }[] };
  const where = devices[0]?.where ?? '';
  const finding = {
    device: 'pdu',
    where,
    kind,
    commands: 8,
    because: 'told',
    by: 'node1',
    sinceWallMs: foundAtMs,
  } as const;
  const record = {
    schema: 1,
    revision: (before?.revision ?? 0) + 1,
    findings: [{ ...finding, readsOnAgain: false, isCleared: false }],
    seenOn: [{ device: 'pdu', where }],
    ended: [],
    cleared: null,
  };
  await put(tree.devices('node2'), printRecord(DeviceKnowledgeRecord.parse(record)));
}

beforeAll(async () => {
  servers = await ZooKeeperServers.start();
  copyFileSync(agent, join(dir, 'fence_switch'));
  writeFileSync(join(dir, 'key'), keyText, { mode: 0o600 });
  for (const name of ['node1', 'node2']) {
    const file = configure(name, servers.addresses()[0] ?? '');
    const script = `exec "${process.execPath}" "${nodedMain}" --config "${file}" > "${join(dir, name)}.log" 2>&1`;
    nodeds.push(spawn('sh', ['-c', script], { stdio: 'ignore' }));
  }
  store = openZooKeeperStore({
    servers: servers.addresses(),
    root: '/nodekeeper/c',
    sessionTimeoutMs: 10_000,
    connectTimeoutMs: 500,
    requestTimeoutMs: 3000,
    keys: keyRing(keyText),
  });
  await until('both run', 60_000, async () => /2 of 2 nodes run/.test((await nodectl('status')).stdout));
  await until('node1 has verified node2', 30_000, async () => (await store.read(tree.verified('node1', 'node2'))).ok);
  await pause(3000); // a request from before a coordinator's first look waits until it cannot be an orphan
});
afterEach(async () => {
  for (const child of commands.splice(0)) child.kill('SIGKILL');
  mode('');
  await until('no fence is under way', 30_000, async () => !['intent', 'failed'].includes((await fence()).state));
  for (const file of ['power-node2', 'orders-node2']) rmSync(join(dir, file), { force: true });
});
afterAll(async () => {
  for (const child of nodeds) child.kill('SIGKILL');
  await store.close(500);
  await servers.stop();
  rmSync(dir, { recursive: true, force: true });
});

it('a fence that fails on a living node: every path is tried, then it is cancelled and said so; a repaired device switches nothing', async () => {
  mode('silent');
  const said = await nodectl('fence', 'node2', '--yes', '--action', 'off');
  expect(said.code).toBe(1);
  expect(said.stderr).toMatch(
    /node2 is not fenced, and it is not tried again: level pdu: .*; keepalives of node2 resumed: fence cancelled, nothing was recovered$/m,
  );
  expect(said.stdout).toMatch(/: attempt failed: /);
  for (const command of [['events'], ['explain', 'node2']])
    expect((await nodectl(...command)).stdout).toMatch(
      /keepalives of node2 resumed: fence cancelled, nothing was recovered/,
    );
  mode('');
  await pause(7000); // longer than the pause before another round
  expect(orders()).toBe('');
  expect(await stateOf()).toBe('run');
});

it('a second fence says what is under way, since when, by whom; fence cancel ends it before a command is sent', async () => {
  mode('slow'); // no command is sent before power was read once
  const first = going('fence', 'node2', '--yes', '--reason', 'first');
  await until('it is begun', 20_000, async () => (await fence()).state === 'intent');
  const second = going('fence', 'node2', '--yes', '--reason', 'second');
  await until('it says what is under way', 10_000, () => second.said() !== '');
  expect(second.said()).toMatch(
    /^A fence of node2 is under way since 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d, by node1 \(asked for by .*: first\); its state is "intent"\. It answers your request as soon as node2 is off/,
  );
  second.child.kill('SIGINT');
  expect((await second.end).code).toBe(130);
  const cancelled = await nodectl('fence', 'cancel', 'node2', '--reason', 'wrong node');
  expect(cancelled).toMatchObject({ code: 0, stderr: '' });
  expect(cancelled.stdout).toBe('the fence of node2 is cancelled; node2 publishes keepalives and stays on\n');
  const ended = await first.end;
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/node2 is not fenced, .* cancelled it: wrong node; nothing of node2 was recovered/);
  expect((await nodectl('events')).stdout).toMatch(/operator-request.*the fence of node2: .* cancelled it: wrong node/);
  mode('');
  await pause(6000);
  expect(orders()).toBe('');
  expect((await nodectl('fence', 'cancel', 'node2')).stdout).toBe('no fence of node2 is under way\n');
});

it('a fence that fails on a silent node: when it is tried again, by whom, and how to stop it; it may be off, so it is not cancelled', async () => {
  mode('silent');
  nodeds[1]?.kill('SIGSTOP');
  try {
    const said = await nodectl('fence', 'node2', '--yes');
    expect(said.code).toBe(1);
    const next =
      'tried again (at once|in about \\d+ s): level pdu, by node1\\. To stop further attempts: nodectl maintenance on --node node2';
    expect(said.stderr).toMatch(new RegExp(`node2 is not fenced yet: level pdu: .*\\. It is ${next}`));
    // What failed a moment ago comes before what was verified earlier; nothing that was verified stands without its age.
    const failed =
      /1\. level pdu by node1: (failed [^:]*ago|failing now): .*; before that, verified [\d.]+ (s|min) ago: /;
    expect((await nodectl('explain', 'node2')).stdout).toMatch(failed);
    expect((await nodectl('status')).stdout).toMatch(
      /^node2 +coordinator +(fence-failed|fencing) +\? \(was secondary\) /m,
    );
    const simulated = await nodectl('fence', 'simulate', 'node2');
    expect(simulated.stdout).toMatch(failed);
    expect(simulated.code).toBe(1);
    await until(
      'the next attempt failed too',
      30_000,
      async () => (await fence()).rounds > 0 && (await fence()).state === 'failed',
    );
    expect((await nodectl('explain', 'node2')).stdout).toMatch(new RegExp(`It is ${next}`));
    expect(await nodectl('fence', 'cancel', 'node2')).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(
        /not cancelled: (node1|a device of node2) may have .*To stop further attempts: nodectl maintenance on --node node2$/m,
      ) as string,
    });
  } finally {
    nodeds[1]?.kill('SIGCONT');
  }
  await until('node2 lives: its fence is cancelled', 30_000, async () => (await fence()).state === 'cancelled');
});

it('S4: a fence is not cancelled while a device may have taken a power-off command', async () => {
  mode('stuck');
  const fencing = going('fence', 'node2', '--yes');
  await until('the command is sent', 20_000, () => orders().includes('off'));
  expect(await nodectl('fence', 'cancel', 'node2')).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(
      /not cancelled: node1 may have sent a power-off command: .*nodectl maintenance on --node node2$/m,
    ) as string,
  });
  const ended = await fencing.end;
  expect(ended.code).toBe(1);
  expect(ended.stderr).toMatch(/node2 is not fenced, and it is not tried again/);
  // Its device has disobeyed, and that is told by name, with its date.
  const status = (await nodectl('status')).stdout;
  expect(status).toMatch(
    /! node2: fence device pdu \(.*\) is distrusted since 20\d\d-.*: \d+ power-off commands? left power on/,
  );
  const cleared = await nodectl('fence', 'clear', 'node2');
  expect(cleared.stdout).toMatch(
    /^node2: device pdu \(.*\) is trusted again; it was distrusted because \d+ power-off commands? left power on\n$/,
  );
});

it('two operators fence one node at the same time, and its device does not answer: both are told what became of it', async () => {
  mode('silent');
  const both = [
    going('fence', 'node2', '--yes', '--reason', 'one'),
    going('fence', 'node2', '--yes', '--reason', 'two'),
  ];
  for (const said of await Promise.all(both.map(({ end }) => end))) {
    expect(said.stderr).toMatch(/node2 is not fenced.*level pdu: /);
    expect(said.code).toBe(1);
  }
  // The one that was carried out first is told that the other one followed it.
  expect(both.map(({ said }) => said()).join('')).toMatch(
    /A later request \(asked for by .*: (one|two)\) is carried out\. This command follows it\./,
  );
});

it('a distrusted device: --action status, fence-check, simulate and explain name it, since when and why', async () => {
  await distrust('disobeyed');
  const since = 'fence device pdu \\(.*\\) is distrusted since 2026-01-02 03:04:05: 8 power-off commands left power on';
  const power = await nodectl('fence', 'node2', '--action', 'status');
  expect(power.stdout).toMatch(new RegExp(`^node2: power on: .*\\n! node2: ${since}.*nodectl fence clear node2`));
  const asJson = JSON.parse((await nodectl('fence', 'node2', '--action', 'status', '--json')).stdout) as unknown;
  expect(asJson).toMatchObject([{ distrusted: [{ fault: 'disobeyed', sinceWallMs: foundAtMs, by: 'node1' }] }]);
  expect((await nodectl('fence-check', 'node2')).stdout).toMatch(new RegExp(`!     node2: ${since}`));
  for (const command of ['explain', 'simulate'])
    expect((await nodectl('fence', command, 'node2')).stdout).toMatch(
      /1\. level pdu by node1: distrusted: 8 power-off commands left power on\n +level pdu is tried all the same/,
    );
  // Who can fence it is verified again at once, not after verifyInterval (an hour here).
  await until('status says so', 20_000, async () => /nobody can fence node2/.test((await nodectl('status')).stdout));
  expect((await nodectl('fence', 'clear', 'node2')).code).toBe(0);
  await until('status says so', 20_000, async () => !/nobody can fence node2/.test((await nodectl('status')).stdout));
  const verified = 'verified (less than 1 s|[\\d.]+ s) ago';
  expect((await nodectl('explain', 'node2')).stdout).toMatch(new RegExp(`1\\. level pdu by node1: ${verified}: `));
  expect((await nodectl('fence-check', 'node2')).stdout).toMatch(
    new RegExp(`ok +node2 can be fenced by node1 \\(${verified}\\)`),
  );
});

it('fence clear asks while a fence is under way, and names the way to stop it', async () => {
  mode('slow');
  const fencing = going('fence', 'node2', '--yes');
  await until('it is begun', 20_000, async () => (await fence()).state === 'intent');
  expect(await nodectl('fence', 'clear', 'node2')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(
      /A fence of node2 is under way since .*, by node1 .*With a trusted device it is carried out now: node2 is powered off\. To stop it: nodectl fence cancel node2\. Say --yes/,
    ) as string,
  });
  expect((await nodectl('fence', 'cancel', 'node2')).code).toBe(0);
  await fencing.end;
});

it('a node that the loop guard leaves off has its line in status', async () => {
  const because = 'the node was fenced 4 times within an hour (limit 3): it stays off and waits for a person';
  const record: FenceRecord = {
    ...noFence('node9'),
    state: 'finished',
    id: 'f',
    action: 'reboot',
    level: 'pdu',
    fencer: 'node1',
    steps: [{ wallMs: foundAtMs, by: 'node1', what: 'stays off', because }],
  };
  await put('/nodes/node9', '');
  await put(tree.fence('node9'), printRecord(record));
  expect((await nodectl('status')).stdout).toMatch(
    /! node9 is fenced and left off since 2026-01-02 03:04:05: the node was fenced 4 times within an hour .*nodectl fence node9 --action on/,
  );
});

/** Last: node2 does not come back. */
it('two operators fence one node at the same time: it is fenced once, and both are told', async () => {
  nodeds[1]?.kill('SIGKILL');
  const before = (await fence()).id;
  const both = [
    going('fence', 'node2', '--yes', '--action', 'off'),
    going('fence', 'node2', '--yes', '--action', 'off'),
  ];
  for (const said of await Promise.all(both.map(({ end }) => end))) {
    expect(said).toMatchObject({ code: 0, stderr: '' });
    expect(said.stdout).toMatch(/power off ordered.*\n(.*\n)*node2: fenced, finished\n$/);
  }
  expect((await fence()).id).not.toBe(before);
  expect((await nodectl('status')).stdout).toMatch(/^node2 +coordinator +fenced +- \(was secondary\) /m);
  const { stdout } = await nodectl('events');
  expect(stdout.split('\n').filter((line) => /\bfenced\b.*node2 is off/.test(line))).toHaveLength(1);
});

it('a fence after which the loop guard leaves the node off: exit 4, and what to do', async () => {
  const nowMs = Date.now();
  await put(tree.fence('node2'), printRecord({ ...(await fence()), recentWallMs: [nowMs, nowMs, nowMs] }));
  const left =
    /node2 is fenced and left off since 20\d\d-.*: the node was fenced 4 times within an hour \(limit 3\).*\. When it is repaired: nodectl fence node2 --action on$/m;
  expect(await nodectl('fence', 'node2', '--yes')).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(left) as string,
  });
  expect((await nodectl('explain', 'node2')).stdout).toMatch(left);
});
