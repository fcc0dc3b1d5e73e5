/** Real ZooKeeper servers on loopback: alone or three together; they can be frozen, killed and started again. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freezeProcesses, standing, thawProcesses } from '../../src/lab/standstill.ts';
import { askServers } from '../../src/real/zookeeper/ask-servers.ts';

export interface ServerOptions {
  readonly servers?: number;
  readonly tickTime?: number;
  /** Each is a standalone server on its own: as many stores as servers. */
  readonly apart?: boolean;
  /** Clients come by TLS only, with a certificate of this authority. One server only. */
  readonly tls?: { readonly caFile: string; readonly bothFile: string };
}

interface Server {
  readonly port: number;
  readonly dir: string;
  process: ChildProcess | null;
}

export class ZooKeeperServers {
  private readonly dir = mkdtempSync(join(tmpdir(), 'nk-zk-'));
  private servers: Server[] = [];
  private secure = false;

  /** Starts the servers; returns when one of them leads. */
  static async start({
    servers = 1,
    tickTime = 500,
    apart = false,
    tls,
  }: ServerOptions = {}): Promise<ZooKeeperServers> {
    const ensemble = new ZooKeeperServers();
    ensemble.secure = tls !== undefined;
    const ports = await freePorts(servers * 3);
    const peers = Array.from(
      { length: servers },
      (_, k) => `server.${k + 1}=127.0.0.1:${ports[3 * k + 1]}:${ports[3 * k + 2]}`,
    );
    for (let k = 0; k < servers; k += 1) {
      const dir = join(ensemble.dir, String(k + 1));
      mkdirSync(dir, { recursive: true });
      writeFileSync(join(dir, 'myid'), String(k + 1));
      const lines = [
        `tickTime=${tickTime}`,
        'initLimit=10',
        'syncLimit=4',
        `dataDir=${dir}`,
        ...(tls === undefined ? [`clientPort=${ports[3 * k]}`, 'clientPortAddress=127.0.0.1'] : []),
        ...(tls === undefined ? [] : tlsLines(ports[3 * k] ?? 0, tls)),
        'minSessionTimeout=500',
        'maxSessionTimeout=60000',
        'admin.enableServer=false',
        'maxClientCnxns=0',
        '4lw.commands.whitelist=srvr',
        ...(servers > 1 && !apart ? peers : []),
      ];
      writeFileSync(join(dir, 'zoo.cfg'), `${lines.join('\n')}\n`);
      writeFileSync(join(dir, 'log4j.properties'), 'log4j.rootLogger=OFF\n');
      ensemble.servers.push({ port: ports[3 * k] ?? 0, dir, process: null });
    }
    for (let k = 0; k < servers; k += 1) ensemble.boot(k);
    await ensemble.ready();
    return ensemble;
  }

  addresses(): string[] {
    return this.servers.map((server) => `127.0.0.1:${server.port}`);
  }

  /** Starts a server that does not run; `alone`: on its own data, without the others, until it is killed. */
  boot(index: number, alone = false): void {
    const server = this.at(index);
    const config = join(server.dir, alone ? 'alone.cfg' : 'zoo.cfg');
    if (alone) {
      const lines = readFileSync(join(server.dir, 'zoo.cfg'), 'utf8').split('\n');
      writeFileSync(config, lines.filter((line) => !line.startsWith('server.')).join('\n'));
    }
    const jars = ['zookeeper', 'slf4j-log4j12', 'log4j-1.2', ...(this.secure ? netty : [])].map(
      (name) => `/usr/share/java/${name}.jar`,
    );
    server.process = spawn(
      'java',
      [
        ...[
          '-Xmx128m',
          '-XX:+UseSerialGC',
          '-XX:TieredStopAtLevel=1',
          '-Dzookeeper.jmx.log4j.disable=true',
          '-Dzookeeper.forceSync=no',
        ],
        ...['-cp', [server.dir, ...jars].join(':'), 'org.apache.zookeeper.server.quorum.QuorumPeerMain', config],
      ],
      { stdio: 'ignore' },
    );
  }

  kill(index: number): void {
    this.at(index).process?.kill('SIGKILL');
  }

  /** Kills a server, and returns when it is gone. */
  async end(index: number): Promise<void> {
    const child = this.at(index).process;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.kill('SIGKILL');
    });
  }

  /** Copies the data of all servers as they stand, while they run; returns the way to put it back, all servers being stopped. */
  copyData(): () => Promise<void> {
    const name = `copy-${performance.now()}`;
    for (const { dir } of this.servers) cpSync(join(dir, 'version-2'), join(dir, name), { recursive: true });
    return async () => {
      await Promise.all(this.servers.map((_, index) => this.end(index)));
      for (const { dir } of this.servers) {
        rmSync(join(dir, 'version-2'), { recursive: true, force: true });
        cpSync(join(dir, name), join(dir, 'version-2'), { recursive: true });
      }
      this.servers.forEach((_, index) => this.boot(index));
      await this.ready();
    };
  }

  /** All data of a server that does not run is lost. */
  wipe(index: number): void {
    rmSync(join(this.at(index).dir, 'version-2'), { recursive: true, force: true });
  }

  /** Returns when the server stands still: until then it answers. */
  async freeze(index: number): Promise<void> {
    await freezeProcesses(this.pidsOf(index));
  }

  async thaw(index: number): Promise<void> {
    await thawProcesses(this.pidsOf(index));
  }

  /** After each story: what a failed one left frozen or killed must not fail the next ones. */
  async restore(): Promise<void> {
    const states = this.servers.map((_, index) => this.pidsOf(index).map(standing)[0] ?? 'ended');
    if (states.every((state) => state === 'running')) return;
    for (const [index, state] of states.entries()) {
      if (state === 'stopped') await this.thaw(index);
      if (state === 'ended') this.boot(index);
    }
    await this.ready();
  }

  /** Index of the leader (or of the only server). */
  async leader(): Promise<number> {
    const modes = await this.modes();
    return modes.findIndex((found) => found === 'leader' || found === 'standalone');
  }

  async ready(): Promise<void> {
    if (this.secure) {
      await until('the server takes connections', 30_000, () => isListening(this.at(0).port));
      return;
    }
    const endMs = performance.now() + 30_000;
    for (;;) {
      const modes = await this.modes();
      if (modes.every((found) => found !== null) && modes.some((found) => found === 'leader' || found === 'standalone'))
        return;
      if (performance.now() > endMs) throw new Error(`ZooKeeper did not come up: ${modes.join(', ')}`);
      await pause(50);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map((_, index) => this.end(index)));
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** Of a server that runs. */
  pid(index: number): number {
    const [pid] = this.pidsOf(index);
    if (pid === undefined) throw new Error(`server ${index} does not run`);
    return pid;
  }

  private pidsOf(index: number): number[] {
    const pid = this.at(index).process?.pid;
    return pid === undefined ? [] : [pid];
  }

  private async modes(): Promise<(string | null)[]> {
    return (await askServers(this.addresses(), 500)).map(({ mode }) => mode);
  }

  private at(index: number): Server {
    const server = this.servers[index];
    if (server === undefined) throw new Error(`no server ${index}`);
    return server;
  }
}

const netty = ['handler', 'common', 'buffer', 'transport', 'codec', 'resolver'].map((part) => `netty-${part}`);
netty.push('netty-transport-native-epoll', 'netty-transport-native-unix-common');

function tlsLines(port: number, { caFile, bothFile }: NonNullable<ServerOptions['tls']>): string[] {
  return [
    `secureClientPort=${port}`,
    'secureClientPortAddress=127.0.0.1',
    'serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory',
    `ssl.keyStore.location=${bothFile}`,
    'ssl.keyStore.type=PEM',
    `ssl.trustStore.location=${caFile}`,
    'ssl.trustStore.type=PEM',
    'ssl.clientAuth=need',
  ];
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (listening: boolean) => {
      socket.destroy();
      resolve(listening);
    };
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `holds`, and returns after how many ms; throws when it takes longer than `withinMs`. */
export async function until(what: string, withinMs: number, holds: () => boolean | Promise<boolean>): Promise<number> {
  const startMs = performance.now();
  while (!(await holds())) {
    if (performance.now() - startMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await pause(10);
  }
  return performance.now() - startMs;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer();
          server.listen(0, '127.0.0.1', () => resolve(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
