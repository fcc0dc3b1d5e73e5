/** Two built nodeds on this machine with a real ZooKeeper, each with a configuration of its own, and nodectl for each. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newKeyText } from '../../src/real/secrets.ts';
import { ZooKeeperServers, until } from './zookeeper.ts';

const dist = process.env['NODEKEEPER_DIST'] ?? new URL('../../dist', import.meta.url).pathname;
export const nodectlMain = join(dist, 'cli/launch.cjs');
const nodedMain = join(dist, 'daemon/main.js');

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class TwoNodes {
  readonly dir = mkdtempSync(join(tmpdir(), 'nk-two-'));
  readonly names = ['node1', 'node2'] as const;
  private readonly nodeds = new Map<string, ChildProcess>();
  private servers: ZooKeeperServers | null = null;

  async start(): Promise<void> {
    this.servers = await ZooKeeperServers.start();
    writeFileSync(join(this.dir, 'key'), newKeyText(), { mode: 0o600 });
    for (const name of this.names) this.writeConfig(name, this.servers.addresses()[0] ?? '');
    for (const name of this.names) this.startNoded(name);
    await until('there is a primary', 60_000, async () => (await this.holder()) !== null);
  }

  async stop(): Promise<void> {
    for (const noded of this.nodeds.values()) noded.kill('SIGKILL');
    await this.servers?.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  config(name: string): string {
    return join(this.dir, `${name}.yaml`);
  }

  addresses(): string[] {
    return this.servers?.addresses() ?? [];
  }

  noded(name: string): ChildProcess {
    const noded = this.nodeds.get(name);
    if (noded === undefined) throw new Error(`${name} was never started`);
    return noded;
  }

  startNoded(name: string): void {
    const script = `exec "${process.execPath}" "${nodedMain}" --config "${this.config(name)}" >> "${join(this.dir, name)}.log" 2>&1`;
    this.nodeds.set(name, spawn('sh', ['-c', script], { stdio: 'ignore' }));
  }

  log(name: string): string {
    const file = join(this.dir, `${name}.log`);
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  nodectl(name: string, ...args: string[]): Promise<Said> {
    const options = { timeout: 90_000, env: this.environment(name) };
    return new Promise((resolve) => {
      execFile(process.execPath, [nodectlMain, ...args], options, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 124, stdout, stderr });
      });
    });
  }

  environment(name: string): Record<string, string> {
    return { PATH: process.env['PATH'] ?? '', NODEKEEPER_CONFIG: this.config(name) };
  }

  /** The node that is primary now; null: none is. */
  async holder(): Promise<string | null> {
    const { code, stdout } = await this.nodectl('node1', 'status', '--json');
    if (code !== 0) return null;
    const { holder, state } = (JSON.parse(stdout) as { primary: { holder: string | null; state: string } }).primary;
    return state === 'primary' ? holder : null;
  }

  /** Waits for a primary. */
  async settled(): Promise<{ readonly holder: string; readonly other: string }> {
    const seen: (string | null)[] = [];
    await until('there is a primary', 60_000, async () => seen.push(await this.holder()) > 0 && seen.at(-1) !== null);
    const holder = seen.at(-1) ?? '';
    return { holder, other: holder === 'node1' ? 'node2' : 'node1' };
  }

  /** Asks for a takeover until that node is primary: a noded that was just started has to be ready first. */
  async handTo(name: string): Promise<void> {
    await until(`${name} is primary`, 90_000, async () => {
      if ((await this.holder()) === name) return true;
      await this.nodectl(name, 'primary', 'takeover', '--node', name, '--timeout', '60s');
      return (await this.holder()) === name;
    });
  }

  private writeConfig(name: string, address: string): void {
    const lines = [
      `cluster: { name: c, keyFile: ${join(this.dir, 'key')} }`,
      `node: { name: ${name}, stateDir: ${join(this.dir, name)} }`,
      `api: { socket: ${join(this.dir, `${name}.sock`)}, enabled: false }`,
      `zookeeper: { servers: ['${address}'], tickTime: 500ms, sessionTimeout: 9s }`,
      'keepalive: { interval: 1s }',
      'detection: { savingThrows: 60 }',
      '',
    ];
    writeFileSync(this.config(name), lines.join('\n'), { mode: 0o600 });
  }
}
