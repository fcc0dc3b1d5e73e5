/** scripts/lab up and down. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import { run } from '../real/process/runner.ts';
import { setClock } from './faults.ts';
import type { Lab } from './lab.ts';
import { LabError, isAlive, nodesMax, pause } from './lab.ts';
import { writeSettings } from './settings.ts';
import { readStatus } from './status.ts';

export interface UpOptions {
  readonly nodes: number;
  readonly zookeepers: number;
  /** The first hosts; the others are workers. Default: all. */
  readonly coordinators?: number;
  /** libvirt and QEMU on every host. */
  readonly vms?: boolean;
  /** systemd as PID 1 of every host, noded as its unit. */
  readonly systemd?: boolean;
  /** ZooKeeper over mutual TLS only. */
  readonly tls?: boolean;
  /** The wall clock that noded sees can be set, on each host on its own (libfaketime). */
  readonly clocks?: boolean;
  readonly set: readonly string[];
  readonly say: (text: string) => void;
}

const readyMs = 20_000;
const joinedMs = 60_000;
/** Many hosts boot on few cores: each gets this much more time. */
const joinedPerHostMs = 3000;
const needed = ['unshare', 'nsenter', 'setpriv', 'ip', 'nft', 'ipmi_sim', 'ipmitool', 'java', 'flock'];
const neededForVms = ['libvirtd', 'virsh', 'qemu-system-x86_64'];
const neededForSystemd = ['/lib/systemd/systemd', 'systemctl', 'systemd-notify'];

/** Boots the hosts; returns when every noded publishes its keepalive. On any failure everything is taken down again. */
export async function up(lab: Lab, options: UpOptions): Promise<void> {
  if (lab.isUp()) throw new LabError(`a lab is already up in ${lab.dir}; scripts/lab down ends it`);
  await checkMachine(options);
  if (lab.exists()) await down(lab, false);
  const hosts = Array.from({ length: options.nodes }, (_, index) => `node${index + 1}`);
  lab.makeDirs(hosts);
  const cgroup = join(cgroupRoot(), `nodekeeper-lab-${createHash('md5').update(lab.dir).digest('hex').slice(0, 8)}`);
  writeFileSync(lab.path('lab.env'), environmentFile(lab, hosts, options));
  writeFileSync(lab.path('cgroup'), cgroup);
  const { zookeepers, coordinators = options.nodes, vms = false, tls = false, set } = options;
  for (const host of hosts) setClock(lab, host, 0);
  writeSettings(lab, hosts, { zookeepers, coordinators, vms, tls, set });
  const unsharePid = startInit(lab, cgroup);
  lab.save({ nodes: options.nodes, zookeepers: options.zookeepers, repository: lab.repository, cgroup, unsharePid });
  const bootedMs = readyMs + hosts.length * joinedPerHostMs;
  await waitFor(
    bootedMs,
    () => existsSync(lab.path('ready')),
    () => {
      if (!isAlive(unsharePid)) throw new LabError(`the lab's init ended: ${tail(lab.path('log', 'lab-init.log'))}`);
    },
    `the lab's networks and hosts did not come up within ${bootedMs / 1000} s: ${tail(lab.path('log', 'lab-init.log'))}`,
  );
  options.say(`${options.nodes} hosts are powered on; waiting for ZooKeeper and noded`);
  await allPublish(lab, hosts);
}

async function allPublish(lab: Lab, hosts: readonly string[]): Promise<void> {
  const withinMs = joinedMs + hosts.length * joinedPerHostMs;
  const endMs = performance.now() + withinMs;
  for (;;) {
    const nodes = await readStatus(lab);
    const running = nodes.filter((node) => node.state === 'run').map((node) => node.name);
    const missing = hosts.filter((host) => !running.includes(host));
    if (missing.length === 0) return;
    if (performance.now() > endMs) {
      const word = missing.map((host) => `${host}: ${tail(lab.path('log', `noded-${host}.log`))}`).join('\n');
      throw new LabError(`no keepalive from ${missing.join(', ')} within ${withinMs / 1000} s\n${word}`);
    }
    await pause(200);
  }
}

/** Ends all of it, also a half-built one. Returns false when there was nothing. */
export async function down(lab: Lab, keepLogs: boolean): Promise<boolean> {
  if (!lab.exists()) return false;
  const pids = [lab.initPid(), existsSync(lab.path('lab.json')) ? lab.file().unsharePid : null];
  for (const pid of pids) if (pid !== null && isAlive(pid)) kill(pid);
  const endMs = performance.now() + 10_000;
  while (pids.some((pid) => pid !== null && isAlive(pid))) {
    if (performance.now() > endMs)
      throw new LabError(`processes ${pids.join(', ')} did not end; they hold the lab's namespaces`);
    await pause(5);
  }
  await removeCgroup(lab);
  lab.removeDir(keepLogs);
  return true;
}

/** The namespaces die with their init, and everything in them; only the cgroups have to be removed. */
async function removeCgroup(lab: Lab): Promise<void> {
  if (!existsSync(lab.path('cgroup'))) return;
  const root = readFileSync(lab.path('cgroup'), 'utf8').trim();
  for (let tries = 0; tries < 200 && existsSync(root); tries += 1) {
    removeTree(root);
    await pause(10);
  }
}

function removeTree(dir: string): void {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true }))
      if (entry.isDirectory()) removeTree(join(dir, entry.name));
    rmdirSync(dir);
  } catch {
    return; // still busy: the next try gets it
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    return; // ended by itself in the meantime
  }
}

function startInit(lab: Lab, cgroup: string): number {
  mkdirSync(cgroup, { recursive: true });
  const log = openSync(lab.path('log', 'lab-init.log'), 'a');
  const init = `echo $$ > ${cgroup}/cgroup.procs && exec unshare --mount --net --pid --uts --ipc --cgroup --fork --kill-child --propagation private "$LABSRC/lab-init.sh"`;
  const child = spawn('bash', ['-c', init], { detached: true, stdio: ['ignore', log, log], env: lab.environment() });
  child.unref();
  if (child.pid === undefined) throw new LabError('bash could not be started');
  return child.pid;
}

function environmentFile(
  lab: Lab,
  hosts: readonly string[],
  { zookeepers, vms, systemd, tls, clocks }: UpOptions,
): string {
  const lines = {
    HOSTS: hosts.join(' '),
    ZOOKEEPERS: String(zookeepers),
    REPO: lab.repository,
    NODE_BINARY: realpathSync(process.execPath),
    ZK_TICK: '200',
    VMS: vms === true ? '1' : '',
    ZK_TLS: tls === true ? '1' : '',
    SYSTEMD: systemd === true ? '1' : '',
    CLOCK_LIBRARY: clocks === true ? (fakeTime() ?? '') : '',
  };
  return Object.entries(lines)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join('');
}

function cgroupRoot(): string {
  const line = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((entry) => entry.split(' '))
    .find((entry) => entry[2] === 'cgroup2');
  if (line?.[1] === undefined) throw new LabError('no cgroup2 file system is mounted; the lab needs one');
  return line[1];
}

/** The library that changes what a process takes for the time of day; null: it is not installed. */
function fakeTime(): string | null {
  const found = readdirSync('/usr/lib')
    .map((dir) => join('/usr/lib', dir, 'faketime', 'libfaketime.so.1'))
    .find((file) => existsSync(file));
  return found ?? null;
}

async function checkMachine({ nodes, zookeepers, coordinators, vms, systemd, clocks }: UpOptions): Promise<void> {
  if (process.getuid?.() !== 0) throw new LabError('the lab needs root: it makes namespaces, bridges and mounts');
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > nodesMax)
    throw new LabError(`--nodes takes a number from 1 to ${nodesMax}`);
  if (!Number.isInteger(zookeepers) || zookeepers < 1 || zookeepers > nodes)
    throw new LabError(`--zookeepers takes a number from 1 to the number of nodes (${nodes})`);
  if (coordinators !== undefined && !(Number.isInteger(coordinators) && coordinators >= 1 && coordinators <= nodes))
    throw new LabError(`--coordinators takes a number from 1 to the number of nodes (${nodes})`);
  if (clocks === true && systemd === true) throw new LabError('--clocks does not go with --systemd');
  const missing: string[] = [];
  const wanted = [...needed, ...(vms === true ? neededForVms : []), ...(systemd === true ? neededForSystemd : [])];
  for (const program of wanted) {
    const found = await run('sh', ['-c', 'command -v "$0"', program], { deadlineMs: 2000 });
    if (found.kind !== 'exited' || found.code !== 0) missing.push(program);
  }
  if (!existsSync('/usr/share/java/zookeeper.jar')) missing.push('/usr/share/java/zookeeper.jar');
  if (clocks === true && fakeTime() === null) missing.push('libfaketime');
  if (missing.length > 0)
    throw new LabError(
      `missing: ${missing.join(', ')}; scripts/demo and scripts/test install what is needed, or: scripts/install-lab`,
    );
}

async function waitFor(withinMs: number, done: () => boolean, check: () => void, otherwise: string): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!done()) {
    check();
    if (performance.now() > endMs) throw new LabError(otherwise);
    await pause(10);
  }
}

function tail(file: string): string {
  if (!existsSync(file)) return '(no log)';
  return readFileSync(file, 'utf8').trim().split('\n').slice(-3).join('\n');
}
