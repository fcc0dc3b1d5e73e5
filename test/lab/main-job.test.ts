/** The main job on real hosts: a node dies, its peers notice, fence it through its BMC, and say why. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LabDriver } from '../support/lab.ts';
import { pause } from '../support/zookeeper.ts';

const lab = new LabDriver();
const fast = [
  '--set',
  'keepalive.interval=1s',
  '--set',
  'detection.savingThrows=3',
  '--set',
  'fencing.levelDeadline=6s',
  '--set',
  'fencing.retryBackoff=3s',
];
/** How long the outage stories last; the long form is run by hand with NODEKEEPER_OUTAGE_MS=60000. */
const outageMs = Number(process.env['NODEKEEPER_OUTAGE_MS'] ?? 20_000);

const since = async (count: number) =>
  (await lab.fences()).filter((fence) => fence.outcome !== 'none').slice(0, -count || undefined);

beforeAll(async () => {
  await lab.do('up', '--nodes', '3', ...fast);
});
afterAll(async () => {
  await lab.end();
});
beforeEach(() => lab.healthy());

it('S3, S4: the plug is pulled: the node is fenced, the others are untouched, the account is complete; it comes back by itself', async () => {
  const before = new Map((await lab.nodes()).map((node) => [node.name, node.incarnation]));
  const pids = new Map((await lab.hosts()).map((host) => [host.name, host.initPid]));
  await lab.do('power', 'node2', 'off');
  await lab.until('node2 has come back as a new incarnation', 30_000, async () => {
    const node = await lab.node('node2');
    return node?.state === 'run' && node.incarnation !== before.get('node2');
  });
  const [fence, ...others] = await lab.fences();
  expect(others).toEqual([]);
  expect(fence).toMatchObject({ node: 'node2', outcome: 'closed', level: 'ipmi' });
  expect(['node1', 'node3']).toContain(fence?.by);
  expect(fence?.confirmedAt).toBeGreaterThanOrEqual(fence?.verdictAt ?? Infinity);
  expect(fence?.recordedAt).toBeGreaterThanOrEqual(fence?.confirmedAt ?? Infinity);
  expect(fence?.steps.map((step) => step.what)).toEqual([
    'intent',
    'power off ordered',
    'power reads off',
    'power on',
    'power on ordered',
    'power reads on',
    'rejoined',
  ]);
  const kinds = (await lab.events()).filter((event) => event.node === 'node2').map((event) => event.kind);
  for (const kind of ['verdict', 'fence-intent', 'fenced', 'power-on', 'rejoined']) expect(kinds).toContain(kind);
  for (const name of ['node1', 'node3']) {
    expect((await lab.node(name))?.incarnation).toBe(before.get(name));
    expect((await lab.hosts()).find((host) => host.name === name)?.initPid).toBe(pids.get(name));
  }
});

it('one fence is followed by its id through the logs of all nodes; a bundle has them, the history and the store, and no secret', async () => {
  const [fence] = await lab.fences();
  const file = join(lab.dir, 'bundle.tar.gz');
  expect(await lab.do('ctl', 'bundle', '--out', file)).toMatch(/bundle\.tar\.gz: \d+ files; no secrets/);
  expect(await lab.say(['ctl', 'bundle', '--out', file])).toMatchObject({ code: 2 }); // it is there already
  const folder = join(lab.dir, 'unpacked');
  mkdirSync(folder);
  execFileSync('tar', ['-C', folder, '--strip-components=1', '-xzf', file]);
  const text = (name: string) => readFileSync(join(folder, name), 'utf8');
  for (const name of ['about.json', 'config.yaml', 'status.json', 'history.jsonl', 'store.json', 'missing.txt'])
    expect({ name, isThere: existsSync(join(folder, name)) }).toEqual({ name, isThere: true });
  // The fencer's steps, and what the others made of it.
  expect(text('history.jsonl')).toContain(fence?.id);
  const logs = ['node1', 'node2', 'node3'].map((name) => text(`nodes/${name}/log.jsonl`));
  expect(logs.filter((log) => log.includes(fence?.id ?? '?')).length).toBeGreaterThan(0);
  for (const log of logs)
    expect(() =>
      log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).not.toThrow();
  expect(JSON.parse(text('store.json'))).toMatchObject({ '/primary': { record: { state: 'primary' } } });
  const secrets = [
    readFileSync(join(lab.dir, 'conf', 'cluster.key'), 'utf8').trim(),
    readFileSync(join(lab.dir, 'conf', 'node1', 'bmc.password'), 'utf8').trim(),
  ];
  const all = execFileSync(
    'cat',
    execFileSync('find', [folder, '-type', 'f'], { encoding: 'utf8' }).trim().split('\n'),
    { encoding: 'utf8' },
  );
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(4);
    expect(all).not.toContain(secret);
  }
  // nodectl does not reach the store: what the noded of that machine knows, and the logs of all that it knows.
  const onNode = await lab.say([
    'exec',
    'node1',
    '--',
    'bash',
    '-c',
    'sed s/:2181/:2182/g /etc/nodekeeper/config.yaml > /tmp/away.yaml; chmod 600 /tmp/away.yaml; nodectl bundle --config /tmp/away.yaml --out /tmp/away.tar.gz && tar -tzf /tmp/away.tar.gz',
  ]);
  expect(onNode).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/! not in it: the store: no ZooKeeper server answers/) as string,
  });
  expect(onNode.stdout).toMatch(/this-node\/debug\.json/);
  expect(onNode.stdout).toMatch(/nodes\/node3\/log\.jsonl/);
  await lab.healthy();
});

it('a frozen noded on a living machine: fenced, and its next life acts on nothing of the former one', async () => {
  const before = await lab.node('node2');
  const count = (await lab.fences()).length;
  await lab.do('freeze', 'node2', '--process', 'noded');
  await lab.until('node2 has come back as a new incarnation', 30_000, async () => {
    const node = await lab.node('node2');
    return node?.state === 'run' && node.incarnation !== before?.incarnation;
  });
  const fences = await since(count);
  expect(fences.map((fence) => fence.node)).toEqual(['node2']);
  expect(fences[0]?.steps.map((step) => step.what)).toContain('power off ordered');
  await pause(5000);
  expect((await lab.fences()).filter((fence) => fence.by === 'node2')).toEqual([]);
});

it('S10: no password in the processes, the logs and the environment of others while a fence is carried out', async () => {
  const passwords = lab.passwords();
  expect(passwords).toHaveLength(3);
  const seen: string[] = [];
  const leaks: string[] = [];
  let sampling = true as boolean;
  const sampler = (async () => {
    while (sampling) {
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
          if (line.includes('ipmitool')) seen.push(line);
          leaks.push(...passwords.filter((password) => line.includes(password)));
        } catch {
          continue; // ended in the meantime
        }
      }
      await pause(3);
    }
  })();
  const said = await lab.say(['ctl', 'fence', 'node3', '--yes', '--reason', 'test']);
  await lab.say(['ctl', 'fence-check']);
  sampling = false;
  await sampler;
  expect(said.code).toBe(0);
  expect(seen.length).toBeGreaterThan(0);
  expect(leaks).toEqual([]);
  for (const password of passwords) {
    for (const [name, text] of lab.logs())
      expect({ name, leaks: text.includes(password) }).toEqual({ name, leaks: false });
    expect(`${said.stdout}${said.stderr}`).not.toContain(password);
  }
});

it('S4: a stuck BMC with the plug in: the fence fails loudly, is retried by the others, and nothing is called fenced', async () => {
  const count = (await lab.fences()).length;
  await lab.do('bmc', 'node2', 'stuck');
  await lab.do('freeze', 'node2', '--process', 'noded');
  await lab.until('both others have tried and failed', 60_000, async () => {
    const tried = (await lab.events())
      .filter((event) => event.kind === 'fence-failed' && event.node === 'node2')
      .map((event) => event.by);
    return new Set(tried).size === 2;
  });
  expect((await lab.node('node2'))?.state).toMatch(/^(fence-failed|fencing)$/);
  const [fence] = await since(count);
  expect(fence).toMatchObject({ node: 'node2', confirmedAt: null, recordedAt: null });
  expect(fence?.steps.at(-1)?.because).toMatch(/power still reads on|another round|failed/);
  await lab.do('bmc', 'node2', 'ok');
  await lab.until('the retry succeeds', 60_000, async () => (await lab.node('node2'))?.state === 'run');
  expect((await since(count)).map((one) => one.outcome)).toEqual(['closed']);
});

it('fence-check names a privilege that is too low, a wrong password and a BMC that does not answer, and its exit code says so', async () => {
  expect((await lab.say(['ctl', 'fence-check'])).code).toBe(0);
  await lab.do('bmc', 'node2', 'user-level');
  const tooLow = await lab.say(['ctl', 'fence-check']);
  expect(tooLow.code).toBe(1);
  expect(tooLow.stdout).toMatch(
    /node2: the account may log in, but not control power.*level USER, power control needs OPERATOR/,
  );
  await lab.do('bmc', 'node2', 'badpass');
  const wrong = await lab.say(['ctl', 'fence-check', 'node2']);
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toMatch(/node2: the BMC refuses the user name or the password/);
  await lab.do('bmc', 'node2', 'down');
  const silent = await lab.say(['ctl', 'fence-check', 'node2', '--json']);
  expect(silent.code).toBe(1);
  const answer = JSON.parse(silent.stdout) as { matrix: { by: string; entries: Record<string, { fault: string }> }[] };
  expect(answer.matrix.find((row) => row.by === 'node1')?.entries['node2']?.fault).toBe('no-answer');
  await lab.do('bmc', 'node2', 'ok');
  expect((await lab.say(['ctl', 'fence-check'])).code).toBe(0);
  expect((await lab.hosts()).map((host) => host.power)).toEqual(['on', 'on', 'on']);
});

it('S3: all ZooKeepers frozen and thawed: nobody is fenced', async () => {
  const count = (await lab.fences()).length;
  const before = (await lab.nodes()).map((node) => node.incarnation);
  const { thaw } = await lab.freezeEnsemble(['node1', 'node2', 'node3']);
  await pause(outageMs);
  expect((await lab.say(['ctl', 'status'])).code).toBe(3);
  await thaw();
  await lab.healthy();
  await pause(10_000);
  expect(await since(count)).toEqual([]);
  expect((await lab.nodes()).map((node) => node.incarnation)).toEqual(before);
});

it('S3: a frozen observer that is thawed fences nobody on old knowledge', async () => {
  const count = (await lab.fences()).length;
  await lab.do('bmc', 'node3', 'down'); // so that its peers cannot fence it meanwhile
  await lab.do('freeze', 'node3', '--process', 'noded');
  await pause(outageMs);
  await lab.do('thaw', 'node3', '--process', 'noded');
  await lab.do('bmc', 'node3', 'ok');
  await lab.healthy();
  await pause(8000);
  const fences = await since(count);
  expect(fences.filter((fence) => fence.by === 'node3' || fence.node !== 'node3')).toEqual([]);
  expect((await lab.hosts()).filter((host) => host.name !== 'node3').map((host) => host.power)).toEqual(['on', 'on']);
});

it('SIGTERM: stop in good order is no death; it is started again as a new incarnation', async () => {
  const count = (await lab.fences()).length;
  const before = await lab.node('node2');
  await lab.do('exec', 'node2', '--', 'pkill', '-TERM', '-f', 'daemon/main.js');
  await lab.until('node2 has stopped', 10_000, async () => (await lab.node('node2'))?.state === 'stop');
  await pause(6000);
  expect((await lab.node('node2'))?.state).toBe('stop');
  expect(await since(count)).toEqual([]);
  await lab.do(
    'exec',
    'node2',
    '--',
    'bash',
    '-c',
    'LAB=/opt/lab LABSRC=/opt/lab/host setsid /opt/lab/host/noded.sh node2 >/dev/null 2>&1 </dev/null & sleep 0.2; disown',
  );
  await lab.until('node2 runs', 20_000, async () => (await lab.node('node2'))?.state === 'run');
  expect((await lab.node('node2'))?.incarnation).not.toBe(before?.incarnation);
});

it('nodectl fence: status only reads, off leaves it off and is called fenced, on brings it back; a healthy cluster is asked by name', async () => {
  const read = await lab.say(['ctl', 'fence', 'node2', '--action', 'status']);
  expect(read).toMatchObject({ code: 0, stdout: expect.stringMatching(/^node2: power on/) as string });
  const before = await lab.node('node2');
  const off = await lab.say(['ctl', 'fence', 'node2', '--action', 'off', '--yes', '--reason', 'test']);
  expect(off).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/power reads off[\s\S]*stays off[\s\S]*node2: fenced, finished/) as string,
  });
  expect((await lab.node('node2'))?.state).toBe('fenced');
  expect((await lab.hosts()).find((host) => host.name === 'node2')?.power).toBe('off');
  await pause(6000); // the verdict falls too, and must not begin a second fence
  const [fence] = await lab.fences();
  expect(fence).toMatchObject({ node: 'node2', outcome: 'finished' });
  expect(
    (await lab.events()).filter((event) => event.kind === 'fence-intent' && event.wallMs >= (fence?.verdictAt ?? 0)),
  ).toHaveLength(1);
  expect((await lab.say(['ctl', 'fence', 'node2', '--action', 'on'])).code).toBe(0);
  await lab.until('node2 is back', 30_000, async () => {
    const node = await lab.node('node2');
    return node?.state === 'run' && node.incarnation !== before?.incarnation;
  });
});

it('a second noded with a name that is taken refuses to start and says which machine holds it', async () => {
  const words = `sed 's/name: node1/name: node2\\n  stateDir: \\/tmp\\/second/; s/^api:/api:\\n  socket: \\/tmp\\/second.sock\\n  port: 7481/' /etc/nodekeeper/config.yaml > /tmp/second.yaml; chmod 600 /tmp/second.yaml; /opt/lab/node /opt/nodekeeper/dist/daemon/main.js --config /tmp/second.yaml`;
  const said = await lab.say(['exec', 'node1', '--', 'bash', '-c', words], 30_000);
  expect(said.code).toBe(4);
  expect(said.stderr).toMatch(/the name "node2" is held by another machine: node2 \(machine id/);
  expect((await lab.node('node2'))?.state).toBe('run');
});
