/**
 * A cluster whose ZooKeeper takes nobody without a certificate, and whose cluster key is changed while everything runs: by the
 * steps of docs/SECURITY.md, each in the wrong order first.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newKeyText } from '../../src/real/secrets.ts';
import { LabDriver } from '../support/lab.ts';

const lab = new LabDriver();
const nodes = ['node1', 'node2', 'node3'];
const keyFile = (place: string) => join(lab.dir, 'conf', place === 'management' ? '' : place, 'cluster.key');
const write = (place: string, text: string) => writeFileSync(keyFile(place), text, { mode: 0o600 });
const fresh = newKeyText();
let old = '';

interface Standing {
  readonly held: string[];
  readonly nodes: { name: string; keys: string[]; sealedWith: string }[];
  readonly paths: Record<string, number>;
  readonly foreign: string[];
  readonly step: { kind: string; nodes?: string[] };
}
const standing = async () => JSON.parse(await lab.do('ctl', 'key', 'status', '--json')) as Standing;
const nodedOf = async (name: string) => (await lab.hosts()).find((host) => host.name === name)?.nodedPid ?? null;
const role = async () =>
  (JSON.parse(await lab.do('ctl', 'status', '--json')) as { primary: { holder: string; epoch: number } }).primary;

/** The file of a node is replaced, and its noded told. */
async function give(name: string, text: string, keys: number): Promise<void> {
  write(name, text);
  const pid = await nodedOf(name);
  if (pid === null) throw new Error(`${name} has no noded`);
  process.kill(pid, 'SIGHUP');
  const first = text.split('\n')[0] === fresh.trim() ? 'new' : 'old';
  await lab.until(`${name} says what it holds`, 10_000, async () => {
    const { nodes: said, held } = await standing();
    const own = said.find((node) => node.name === name)?.keys ?? [];
    const firstName = first === 'new' ? held[newAt(held)] : held[oldAt(held)];
    return own.length === keys && own[0] === firstName;
  });
}
let oldName = '';
const oldAt = (held: string[]) => held.indexOf(oldName);
const newAt = (held: string[]) => held.findIndex((name) => name !== oldName);

beforeAll(async () => {
  await lab.do('up', '--nodes', '3', '--tls', '--set', 'keepalive.interval=1s');
  old = readFileSync(keyFile('management'), 'utf8');
  await lab.until('one is primary', 20_000, async () => nodes.includes((await role()).holder));
}, 120_000);
afterAll(async () => {
  await lab.end();
});

it('nobody comes to ZooKeeper without a certificate, and there is no other door', async () => {
  const inside = (...words: string[]) => lab.say(['exec', 'node1', '--', ...words]);
  expect((await inside('bash', '-c', 'exec 3<>/dev/tcp/node2/2181')).code).not.toBe(0);
  const tls = ['openssl', 's_client', '-connect', 'node2:2281', '-CAfile', '/etc/nodekeeper/ca.pem', '-tls1_2'];
  expect((await inside(...tls)).stderr).toMatch(/alert/);
  const own = ['-cert', '/etc/nodekeeper/zookeeper.pem', '-key', '/etc/nodekeeper/zookeeper.key'];
  expect((await inside('timeout', '2', ...tls, ...own)).stdout).toMatch(/Verify return code: 0/);
  // nodectl says why it is not let in.
  const config = readFileSync(join(lab.dir, 'conf', 'config.yaml'), 'utf8');
  const without = join(lab.dir, 'conf', 'without.yaml');
  writeFileSync(without, config.replace(/ +certificateFile: .*\n +keyFile: .*zookeeper.key\n/, ''), { mode: 0o600 });
  const said = await lab.say(['ctl', '--config', without, 'status']);
  expect(said.code).toBe(3);
  expect(said.stderr).toMatch(/alert/);
});

it('a key file of two turns goes wrong in no order: what would leave a node behind is refused', async () => {
  const before = await role();
  oldName = (await standing()).held[0] ?? '';
  expect((await standing()).step).toEqual({ kind: 'done' });

  // Too early: the management turns before anybody knows the new key.
  write('management', fresh + old);
  expect(await standing()).toMatchObject({ step: { kind: 'learn', nodes } });
  const early = await lab.say(['ctl', 'key', 'move']);
  expect(early.code).toBe(4);
  expect(early.stderr).toMatch(/nothing was moved.*node1, node2, node3/);

  for (const name of nodes) await give(name, old + fresh, 2);
  expect((await standing()).step).toMatchObject({ kind: 'turn', nodes });
  await give('node1', fresh + old, 2);
  await give('node2', fresh + old, 2);
  expect((await lab.say(['ctl', 'key', 'move'])).stderr).toMatch(/node3: another key stands first there/);
  // A crash in the middle: the new life is known to those who have not turned yet.
  const crashed = nodes.slice(0, 2).find((name) => name !== before.holder) ?? '';
  const pid = await nodedOf(crashed);
  if (pid !== null) process.kill(pid, 'SIGKILL');
  await lab.until(`${crashed} has a new life`, 30_000, async () => {
    const now = await nodedOf(crashed);
    return now !== null && now !== pid && (await lab.node(crashed))?.state === 'run';
  });
  await lab.until('everybody can be fenced', 20_000, async () => (await lab.say(['ctl', 'fence-check'])).code === 0);
  await give('node3', fresh + old, 2);

  const due = await standing();
  expect(due.step.kind).toBe('move');
  expect(due.paths[oldName]).toBeGreaterThan(20);
  expect(await lab.do('ctl', 'key', 'move')).toMatch(/records now belong to/);
  expect(await lab.do('ctl', 'key', 'move')).toMatch(/^0 records .* devices of 0 nodes/);
  const moved = await standing();
  expect(moved.paths[oldName]).toBe(0);
  expect(moved.nodes.every(({ sealedWith }) => sealedWith !== oldName)).toBe(true);

  for (const name of nodes) await give(name, fresh, 1);
  write('management', fresh);
  const last = await standing();
  expect(last).toMatchObject({ step: { kind: 'done' }, foreign: [] });

  expect(await lab.fences()).toEqual([]);
  expect((await lab.nodes()).map((node) => node.throws)).toEqual([0, 0, 0]);
  expect(await role()).toMatchObject({ holder: before.holder, epoch: before.epoch });
});

it('the old key opens nothing any more', async () => {
  write('management', old);
  const said = await lab.say(['ctl', 'status']);
  write('management', fresh);
  expect(said.code).not.toBe(0);
  expect(said.stderr).toMatch(/refuses this cluster key/);
  expect(await lab.do('ctl', 'status')).toMatch(/node1/);
});

it('a node that dies afterwards is fenced by what was sealed anew, and the role moves, over TLS as without', async () => {
  const { holder } = await role();
  await lab.do('power', holder, 'off');
  await lab.until(`${holder} is fenced`, 30_000, async () =>
    (await lab.fences()).some(({ confirmedAt }) => confirmedAt !== null),
  );
  await lab.until('another is primary', 20_000, async () =>
    nodes.filter((name) => name !== holder).includes((await role()).holder),
  );
  await lab.until(`${holder} is back`, 60_000, async () => (await lab.node(holder))?.state === 'run');
});
