/** `nodectl config check --connect` and `quorum status` on real servers that are three stores, and on ones that are one (S12). */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandSession } from '../../src/cli/connect.ts';
import { readClusterKeys, readConfig } from '../../src/real/config-file.ts';
import { newKeyText } from '../../src/real/secrets.ts';
import { openZooKeeperStore } from '../../src/real/zookeeper/store.ts';
import { ZooKeeperServers, until } from '../support/zookeeper.ts';

const nodectlMain = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-one-store-cli-'));
const file = join(dir, 'config.yaml');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The options of a session with the servers of `file`. */
function storeOf(config: string) {
  const read = readConfig(config);
  if (!read.ok) throw new Error(read.message);
  const keys = readClusterKeys(read.value);
  if (!keys.ok) throw new Error(keys.message);
  return commandSession(read.value, keys.value);
}

function nodectl(
  ...args: string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const options = { timeout: 60_000, env: { PATH: process.env['PATH'], NODEKEEPER_CONFIG: file } };
  return new Promise((resolve) => {
    execFile(process.execPath, [nodectlMain, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 124, stdout, stderr });
    });
  });
}

it.each([
  [true, 1],
  [false, 0],
])(
  'three servers apart: %s; exit %i',
  async (apart, code) => {
    const servers = await ZooKeeperServers.start({ servers: 3, apart });
    try {
      writeFileSync(join(dir, 'key'), newKeyText(), { mode: 0o600 });
      const at = servers.addresses();
      const text = [
        `cluster: { name: c, keyFile: ${join(dir, 'key')} }`,
        `node: { name: node1, stateDir: ${join(dir, 'state')} }`,
        `api: { socket: ${join(dir, 'sock')}, enabled: false }`,
        `zookeeper: { servers: [${at.map((one) => `'${one}'`).join(', ')}], tickTime: 500ms }`,
      ];
      writeFileSync(file, `${text.join('\n')}\n`, { mode: 0o600 });
      const checked = await nodectl('config', 'check', '--connect');
      expect(checked).toMatchObject({ code, stderr: '' });
      for (const one of at) {
        const mode = apart ? 'standalone' : '(leader|follower)';
        expect(checked.stdout).toMatch(new RegExp(`ZooKeeper ${one}: ${mode}, holds no cluster id`));
        expect(checked.stdout.includes(`! ${one} is a standalone server, and 3 servers are configured`)).toBe(apart);
      }
      const quorum = await nodectl('quorum', 'status');
      expect(quorum).toMatchObject({ code });
      expect(quorum.stdout).toMatch(apart ? /^not one store: 3 of 3/ : /^quorum: 3 of 3/);
      expect(quorum.stdout.includes(`! ${at[1]} is a standalone server`)).toBe(apart);
      // Every other command uses no such server either, and says why.
      const status = await nodectl('status');
      expect(status.code).toBe(apart ? 3 : 0);
      for (const one of at)
        expect(status.stderr.includes(`${one} is a standalone server, and 3 servers are configured`)).toBe(apart);
      if (apart) return;
      // noded on this machine has used another store.
      mkdirSync(join(dir, 'state'));
      const other = { schema: 1, id: 'of-another-cluster', before: [], servers: at };
      writeFileSync(join(dir, 'state/cluster-id.json'), JSON.stringify(other));
      const { [0]: first = '' } = at;
      const store = openZooKeeperStore({ ...storeOf(file), servers: [first] });
      await until('a session', 10_000, () => store.session().state === 'connected');
      const record = { schema: 1, id: 'of-this-store', before: [], by: 'test', madeWallMs: 0 };
      await store.create('/cluster-id', JSON.stringify(record), 'persistent');
      await store.close(500);
      const foreign = await nodectl('status');
      expect(foreign.code).toBe(3);
      expect(foreign.stderr).toMatch(
        /belongs to another store: its cluster id is of-this-store, noded on this machine uses of-another-cluster/,
      );
    } finally {
      await servers.stop();
    }
  },
  90_000,
);
