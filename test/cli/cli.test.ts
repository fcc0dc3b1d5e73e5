/** nodectl as people use it: wrong words, missing files, exit codes, help. Runs the built program. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';

const nodectlMain = new URL('../../dist/cli/launch.cjs', import.meta.url).pathname;
const nodedMain = new URL('../../dist/daemon/main.js', import.meta.url).pathname;
const dir = mkdtempSync(join(tmpdir(), 'nk-cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runMain(main: string, args: readonly string[], env: Record<string, string> = {}): Promise<Said> {
  return new Promise((resolve) => {
    const options = {
      timeout: 30_000,
      env: { PATH: process.env['PATH'], NODEKEEPER_CONFIG: join(dir, 'config.yaml'), ...env },
    };
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 124, stdout, stderr });
    });
  });
}
const nodectl = (...args: string[]) => runMain(nodectlMain, args);

const write = (name: string, text: string, mode = 0o600): string => {
  writeFileSync(join(dir, name), text, { mode });
  return join(dir, name);
};

beforeAll(async () => {
  await nodectl('keygen', '--out', join(dir, 'key'));
  write(
    'config.yaml',
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }\nzookeeper: { servers: ['127.0.0.1:1'] }\napi: { socket: ${join(dir, 'noded.sock')} }\n`,
  );
});

it.each([
  [['statsu'], /Did you mean status/],
  [[], /say a command/],
  [['node'], /say what to do/],
  [['node', 'show'], /Not enough non-option arguments/],
  [['status', '--bogus'], /Unknown argument: bogus/],
  [['fence', 'node1', '--action', 'explode'], /Invalid values[\s\S]*off[\s\S]*reboot/],
  [['config', 'chekc'], /Unknown argument: chekc|Did you mean check/],
  [['primary'], /say what to do/],
  [['primary', 'takover'], /Unknown argument: takover|Did you mean takeover/],
  [['election'], /say what to do/],
  [['maintenance'], /say what to do/],
  [['quorum'], /say what to do/],
  [['explain'], /Not enough non-option arguments/],
  [['fence', 'confirm'], /Not enough non-option arguments/],
  [['drill'], /Not enough non-option arguments/],
  [['wait'], /Missing required argument: for/],
  [['wait', '--for', 'godot'], /Invalid values[\s\S]*primary/],
])('wrong usage %j: exit 2, what is wrong, where to look', async (args, message) => {
  const said = await nodectl(...args);
  expect(said.code).toBe(2);
  expect(said.stderr).toMatch(message);
  expect(said.stderr).toMatch(/see: nodectl .*--help/);
  expect(said.stdout).toBe('');
});

it('--help lists the commands and the exit codes, and every command has a help of its own', async () => {
  const help = await nodectl('--help');
  expect(help.code).toBe(0);
  for (const word of [
    'status',
    'node',
    'primary',
    'election',
    'quorum',
    'maintenance',
    'leave',
    'join',
    'wait',
    'fence-check',
    'fence',
    'explain',
    'drill',
    'events',
    'config',
    'keygen',
    'version',
    'Exit codes',
  ])
    expect(help.stdout).toContain(word);
  const each = [
    'status',
    'node',
    'primary',
    'election',
    'quorum',
    'maintenance',
    'leave',
    'join',
    'wait',
    'fence-check',
    'fence',
    'explain',
    'drill',
    'events',
    'config',
    'keygen',
    'version',
  ];
  await Promise.all(
    each.map(async (command) => {
      const own = await nodectl(command, '--help');
      expect({ command, code: own.code }).toEqual({ command, code: 0 });
      expect(own.stdout).toContain(`nodectl ${command}`);
    }),
  );
});

const withoutStoreAndNoded: readonly (readonly [readonly string[], number, RegExp])[] = [
  [['primary', 'run'], 2, /say the command after --/],
  [['primary', 'is-leader', '--for', 'soon'], 2, /--for takes a duration above 0/],
  [['primary', 'is-leader'], 3, /does not answer on .*noded\.sock .*whether this node is primary is not known/],
  [['primary', 'run', '--no-wait', '--', 'true'], 3, /nothing was run/],
  [['wait', '--for', 'fenced'], 3, /no ZooKeeper server answers/],
  [['status', '--stale'], 3, /what it knew last is not known/],
  [['status'], 3, /no ZooKeeper server answers within 5 s \(tried 127\.0\.0\.1:1\)/],
  [['node', 'list'], 3, /no ZooKeeper server answers/],
  [['events'], 3, /no ZooKeeper server answers/],
  [['fence-check'], 3, /no ZooKeeper server answers/],
  [['fence', 'history'], 3, /no ZooKeeper server answers/],
  [['explain', 'node1'], 3, /no ZooKeeper server answers/],
  [['drill', 'node1'], 3, /no ZooKeeper server answers/],
  [['election', 'status'], 3, /and the noded of this machine does not answer either/],
  [['maintenance', 'on'], 3, /no ZooKeeper server answers/],
];
it('without store and noded: what is wrong and what was tried, within seconds', async () => {
  // All at once: most of them wait 5 s for a ZooKeeper server.
  await Promise.all(
    withoutStoreAndNoded.map(async ([args, code, message]) => {
      const said = await nodectl(...args);
      expect({ args, ...said }).toMatchObject({ args, code, stderr: expect.stringMatching(message) as string });
    }),
  );
});

it('quorum status works when everything is gone: exit 1, and what is missing', async () => {
  const [said, json] = await Promise.all([nodectl('quorum', 'status'), nodectl('quorum', 'status', '--json')]);
  expect(said).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(
      /no quorum: 0 of 1 ZooKeeper servers serve; 1 are needed[\s\S]*127.0.0.1:1 +no answer +connect ECONNREFUSED[\s\S]*the noded of this machine does not answer/,
    ) as string,
  });
  expect(JSON.parse(json.stdout)).toMatchObject({ quorum: false, serving: 0, needed: 1, local: null });
}, 30_000);

it('no configuration: exit 2, and the file that was looked for', async () => {
  const said = await nodectl('status', '--config', '/nowhere.yaml');
  expect(said).toEqual({
    code: 2,
    stdout: '',
    stderr: 'nodectl: /nowhere.yaml: the configuration cannot be read: it does not exist\n',
  });
});

it('config check: valid, with the worst case in seconds', async () => {
  const said = await nodectl('config', 'check');
  expect(said.code).toBe(0);
  expect(said.stdout).toMatch(/config\.yaml: valid/);
  expect(said.stdout).toMatch(/nobody will be able to fence this machine/);
  expect(said.stdout).toMatch(/40 s {2}last keepalive until the verdict/);
  expect(said.stdout).toMatch(/in all/);
});

it('config check names the programs that the resources need and this machine lacks', async () => {
  const file = write(
    'tools.yaml',
    `cluster: { name: c, keyFile: ${join(dir, 'key')} }\nzookeeper: { servers: ['127.0.0.1:1'] }\nnode: { resetCommand: [/no/such/reset] }\nprimary: { resources: [{ type: address, name: vip, address: 10.0.0.9/24, interface: eth0 }] }\n`,
  );
  const said = await nodectl('config', 'check', '--config', file);
  expect(said).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/! \/no\/such\/reset is not installed: a machine that cannot stop/) as string,
  });
  expect(said.stdout).not.toMatch(/! ip is not installed/);
  expect(said.stdout).toMatch(/a primary that is cut off stops by itself/);
});

it('config check: all errors at once', async () => {
  const file = write('bad.yaml', 'cluster: { nam: c }\nzookeeper: { servers: [] }\nkeepalive: { interval: soon }\n');
  const said = await nodectl('config', 'check', '--config', file);
  expect(said.code).toBe(2);
  expect(said.stderr.split('\n').filter((line) => line.includes('bad.yaml')).length).toBeGreaterThanOrEqual(3);
  expect(said.stderr).toMatch(/did you mean "name"/);
});

it('S10: a configuration that others can read is refused', async () => {
  const file = write('open.yaml', readFileSync(join(dir, 'config.yaml'), 'utf8'));
  await new Promise((resolve) => execFile('chmod', ['644', file], resolve));
  const said = await nodectl('config', 'check', '--config', file);
  expect(said).toMatchObject({ code: 2, stderr: expect.stringMatching(/can be read by others/) as string });
});

it('config show prints every key with defaults, durations as people write them, and what was derived', async () => {
  const said = await nodectl('config', 'show');
  expect(said.code).toBe(0);
  expect(said.stdout).toMatch(/interval: 5s/);
  expect(said.stdout).toMatch(/savingThrows: 6/);
  expect(said.stdout).toMatch(/sessionTimeout: 10s/);
  const json = JSON.parse((await nodectl('config', 'show', '--json')).stdout) as { keepalive: { interval: string } };
  expect(json.keepalive.interval).toBe('5s');
  // What it prints is a configuration again: the same one.
  const { derived, ...again } = JSON.parse(
    (
      await nodectl(
        'config',
        'show',
        '--json',
        '--config',
        write('example.yaml', readFileSync('config.example.yaml', 'utf8')),
      )
    ).stdout,
  ) as Record<string, unknown>;
  expect(Object.keys(derived as object).length).toBeGreaterThan(5);
  const example = loadConfig(readFileSync('config.example.yaml', 'utf8'));
  expect(loadConfig(JSON.stringify(again))).toEqual(example);
  expect(example.ok).toBe(true);
});

it('config schema is a JSON schema with every section', async () => {
  const schema = JSON.parse((await nodectl('config', 'schema')).stdout) as { properties: Record<string, unknown> };
  expect(Object.keys(schema.properties)).toEqual(
    expect.arrayContaining(['cluster', 'node', 'zookeeper', 'keepalive', 'detection', 'fencing', 'bmc']),
  );
});

it('keygen: mode 0600, never over an existing key, each one new', async () => {
  const file = join(dir, 'fresh.key');
  expect((await nodectl('keygen', '--out', file)).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const again = await nodectl('keygen', '--out', file);
  expect(again).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/exists already, and a key is never overwritten/) as string,
  });
  expect((await nodectl('keygen')).stdout).not.toBe((await nodectl('keygen')).stdout);
});

it('version', async () => {
  expect((await nodectl('version')).stdout).toMatch(/^nodekeeper \d+\.\d+\.\d+ /);
  expect((await nodectl('--version')).stdout).toMatch(/^\d+\.\d+\.\d+/);
});

it('noded: help, version, wrong words and a bad configuration', async () => {
  expect(await runMain(nodedMain, ['--help'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Usage: noded') as string,
  });
  expect((await runMain(nodedMain, ['--version'])).stdout).toMatch(/^\d+\./);
  expect(await runMain(nodedMain, ['--bogus'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--bogus') as string,
  });
  expect(await runMain(nodedMain, ['--config', '/nowhere'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('does not exist') as string,
  });
});

it('completion: a script for each shell; commands and options are offered, names only if the store answers at once', async () => {
  expect((await nodectl('completion')).stdout).toMatch(/nodectl --get-yargs-completions/);
  expect((await nodectl('completion', 'fish')).stdout).toMatch(/complete -c nodectl/);
  const offered = async (...words: string[]) => {
    const said = await nodectl('--get-yargs-completions', 'nodectl', ...words);
    expect({ words, code: said.code, stderr: said.stderr }).toEqual({ words, code: 0, stderr: '' });
    return said.stdout.trim().split('\n');
  };
  expect(await offered('vm', '')).toEqual(expect.arrayContaining(['start', 'migrate', 'flush-locks']));
  expect(await offered('vm', 'start', '')).toEqual(expect.arrayContaining(['--no-wait']));
  expect(await offered('fence', '')).toEqual(expect.arrayContaining(['explain', '--action']));
  expect(await offered('fence', '')).not.toContain('$0');
  expect(await offered('vm', 'define', '--selector', '')).toEqual(['mem', 'vcpus', 'load', 'vms']);
  expect(await offered('token', '')).toEqual(expect.arrayContaining(['read', 'operate']));
});
