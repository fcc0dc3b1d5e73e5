/**
 * nodectl bundle: everything that somebody needs who was not there, in one file: configuration, store, history, every node's
 * log and view, versions. No secret of ours (S10): sealed devices and VM definitions stay out. What an operator wrote into the
 * commands of resources and hooks is in it as it was written.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import type { Config } from '../../config/load.ts';
import type { Store } from '../../environment/store.ts';
import { readClusterKeys } from '../../real/config-file.ts';
import type { ApiKey } from '../../real/secrets.ts';
import { askNoded } from '../../real/http/ask.ts';
import { programVersion } from '../../real/package.ts';
import { run as runProgram } from '../../real/process/runner.ts';
import { said } from '../../real/resources/command.ts';
import { readCluster } from '../cluster-view.ts';
import type { Arguments, Command } from '../command.ts';
import { text } from '../command.ts';
import { loadedConfig, requester, withStore } from '../connect.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { askLocalNoded } from '../local-noded.ts';
import type { Output } from '../output.ts';
import { readEvents } from '../read-events.ts';
import { readable } from './config.ts';

const askMs = 3000;
const programMs = 30_000;
const logLines = 2000;
/** So many fit into what is read of a program's output. */
const journalLines = 500;
/** Subtrees that are left out: XML of guests may hold passwords, and the history is a file of its own. */
const leftOut = /\/definition$|^\/history\//;
const sealed = /sealed|secret|passw|passphrase|community|digest/i;

export const bundle: Command = {
  usage: 'bundle',
  describe: 'Collect in one file what somebody needs to find out what happened: no secrets, nothing is changed.',
  options: {
    out: { type: 'string', describe: 'the file (default: nodekeeper-CLUSTER-TIME.tar.gz in this folder)' },
  },
  examples: [['nodectl bundle', 'before anything is restarted: the logs in memory go with their noded']],
  run: async (args, output) => {
    const { config, file } = loadedConfig(args);
    const stamp = new Date().toISOString().replaceAll(/[-:]|\..*/g, '');
    const name = `nodekeeper-${config.cluster.name}-${stamp}`;
    const target = resolve(text(args, 'out') ?? `${name}.tar.gz`);
    if (existsSync(target)) throw new CommandError(exitCodes.usage, `${target} is there already`);
    process.umask(0o077); // names and addresses are nobody else's business either
    const work = mkdtempSync(join(tmpdir(), 'nodekeeper-bundle-'));
    try {
      const folder = new Folder(join(work, name));
      folder.put('config.yaml', stringify(withoutSecrets(readable(config))));
      folder.put('about.json', await about(file));
      await folder.collect('the store', () => fromStore(args, folder));
      await folder.collect('the noded of this machine', () => fromThisNode(config, folder));
      await folder.program('this-node/journal.txt', [
        'journalctl',
        '-u',
        'noded',
        '-n',
        String(journalLines),
        '--no-pager',
        '-o',
        'short-iso-precise',
      ]);
      folder.put('missing.txt', folder.missing.map((line) => `${line}\n`).join(''));
      const packed = await runProgram('tar', ['-C', work, '-czf', target, name], { deadlineMs: programMs });
      if (packed.kind !== 'exited' || packed.code !== 0)
        throw new CommandError(exitCodes.failed, `${target} cannot be written: ${said(packed, programMs)}`);
      chmodSync(target, 0o600);
      told(folder, target, output);
      return exitCodes.done;
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  },
};

function told(folder: Folder, target: string, output: Output): void {
  for (const line of folder.missing) output.line(output.paint('yellow', `! not in it: ${line}`));
  output.line(`${target}: ${folder.files} files; no secrets, but names and addresses of your machines`);
}

/** The folder that becomes the archive. What cannot be had is noted, and holds nothing up. */
class Folder {
  readonly missing: string[] = [];
  files = 0;
  /** Nodes that were asked. */
  nodes = 0;
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  put(name: string, content: unknown): void {
    const file = join(this.path, name);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(
      file,
      typeof content === 'string' ? content : `${JSON.stringify(withoutSecrets(content), null, 2)}\n`,
      { mode: 0o600 },
    );
    this.files += 1;
  }

  async collect(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.missing.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  async program(name: string, [program = '', ...words]: readonly string[]): Promise<void> {
    const done = await runProgram(program, words, { deadlineMs: programMs });
    if (done.kind === 'exited' && done.code === 0) this.put(name, done.stdout);
    else this.missing.push(`${program}: ${said(done, programMs)}`);
  }
}

async function about(configFile: string): Promise<unknown> {
  const versions: Record<string, string> = {};
  const programs = { ipmitool: ['-V'], virsh: ['--version'], systemctl: ['--version'], uname: ['-a'] };
  for (const [program, words] of Object.entries(programs)) {
    const done = await runProgram(program, words, { deadlineMs: programMs });
    versions[program] = done.kind === 'exited' ? (done.stdout.split('\n')[0] ?? '') : said(done, programMs);
  }
  return {
    madeBy: requester(),
    madeAt: new Date().toISOString(),
    host: hostname(),
    nodectl: programVersion(),
    node: process.version,
    kernel: release(),
    configFile,
    versions,
  };
}

async function fromStore(args: Arguments, folder: Folder): Promise<void> {
  await withStore(args, async ({ store, config, keys }) => {
    const view = await readCluster(store, config);
    folder.put('status.json', view);
    const events = await readEvents(store, null, 0);
    folder.put('history.jsonl', events.map(({ event }) => `${JSON.stringify(event)}\n`).join(''));
    folder.put('store.json', await dump(store, '/'));
    await fromNodes(folder, view.nodes, keys.first.apiKey);
  });
}

/** What the noded here knows, of itself and of the others: all that there is when the store is away. */
async function fromThisNode(config: Config, folder: Folder): Promise<void> {
  const [quorum, own] = await Promise.all([
    askLocalNoded(config, { kind: 'quorum-view' }, askMs),
    askLocalNoded(config, { kind: 'debug' }, askMs),
  ]);
  if (!quorum.ok) throw new Error(quorum.because);
  folder.put('this-node/quorum-view.json', quorum.answer.view);
  if (!own.ok) throw new Error(own.because);
  folder.put('this-node/debug.json', own.answer);
  const key = readClusterKeys(config);
  if (folder.nodes === 0 && key.ok) await fromNodes(folder, own.answer.coordinators, key.value.first.apiKey);
}

interface Known {
  readonly name: string;
  readonly apiAddress: string | null;
}

async function fromNodes(folder: Folder, nodes: readonly Known[], key: ApiKey): Promise<void> {
  folder.nodes = nodes.length;
  await Promise.all(nodes.map((node) => fromNode(folder, node, key)));
}

async function fromNode(folder: Folder, { name, apiAddress }: Known, key: ApiKey): Promise<void> {
  if (apiAddress === null) {
    folder.missing.push(`${name}: its API is switched off, or it has never told its address`);
    return;
  }
  const target = { address: apiAddress, key };
  await folder.collect(`${name}: its log`, async () => {
    const asked = await askNoded<'log'>(target, { kind: 'log', most: logLines }, askMs);
    if (!asked.ok) throw new Error(asked.because);
    mustBe(name, asked.answer.node);
    folder.put(`nodes/${name}/log.jsonl`, asked.answer.lines.map((line) => `${line}\n`).join(''));
  });
  await folder.collect(`${name}: its view`, async () => {
    const asked = await askNoded<'debug'>(target, { kind: 'debug' }, askMs);
    if (!asked.ok) throw new Error(asked.because);
    mustBe(name, asked.answer.node);
    folder.put(`nodes/${name}/debug.json`, asked.answer);
  });
}

function mustBe(name: string, answered: string): void {
  if (answered !== name) throw new Error(`${answered} answers at the API address of ${name}`);
}

/** Every record of the cluster, by path: as JSON where it is that, else as text. */
async function dump(store: Store, path: string): Promise<Record<string, unknown>> {
  if (leftOut.test(path)) return {};
  const found: Record<string, unknown> = {};
  if (path !== '/') {
    const read = await store.read(path);
    if (!read.ok && read.code === 'no-node') return {};
    found[path] = read.ok ? { version: read.version, record: parsed(read.text) } : `cannot be read: ${read.because}`;
  }
  const listed = await store.list(path);
  const below = listed.ok ? [...listed.names].sort() : [];
  const parts = await Promise.all(below.map((name) => dump(store, `${path === '/' ? '' : path}/${name}`)));
  return Object.assign(found, ...parts) as Record<string, unknown>;
}

function parsed(text: string): unknown {
  try {
    return text === '' ? '' : JSON.parse(text);
  } catch {
    return text.slice(0, 2000);
  }
}

/** The second lock on S10: values of keys that sound like secrets, whatever they are (files that hold them are named only). */
function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]: [string, unknown]) => {
      const isSecret = sealed.test(key) && !/files?$/i.test(key) && item !== null;
      return [key, isSecret ? '[left out]' : withoutSecrets(item)];
    }),
  );
}
