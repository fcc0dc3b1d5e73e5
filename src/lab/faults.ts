/** What can be done to a lab's hosts: plug, network, freezer, BMC, subsystems. */
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDuration } from '../config/duration.ts';
import type { Lab } from './lab.ts';
import { LabError, pause } from './lab.ts';
import { freezeGroup, freezeProcesses, thawProcesses } from './standstill.ts';

/** What the lab itself did, for the timeline. */
export function record(lab: Lab, node: string, what: string): void {
  appendFileSync(lab.path('log', 'lab.jsonl'), `${JSON.stringify({ wallMs: Date.now(), node, what })}\n`);
}

export async function power(lab: Lab, host: string, what: string): Promise<void> {
  lab.host(host);
  const switchTo = (state: string) => lab.do(15_000, lab.script('power.sh'), host, state);
  if (what === 'on' || what === 'off') await switchTo(what);
  else if (what === 'cycle') {
    await switchTo('off');
    await pause(1000);
    await switchTo('on');
  } else throw new LabError(`power takes on, off or cycle, got "${what}"`);
}

export interface CutOptions {
  readonly from: readonly string[];
  readonly store: boolean;
  readonly bmc: boolean;
  readonly oneWay: boolean;
}

/** Drops packets of a host: from all or some hosts, from the ZooKeeper ports, from the BMC network. */
export async function cut(lab: Lab, host: string, { from, store, bmc, oneWay }: CutOptions): Promise<void> {
  lab.host(host);
  for (const other of from) if (lab.host(other) === host) throw new LabError('a host cannot be cut from itself');
  const commands: string[] = [];
  if (from.length > 0) {
    for (const other of from) {
      commands.push(`add element bridge lab pair { ${host}-0 . ${other}-0 }`);
      if (!oneWay) commands.push(`add element bridge lab pair { ${other}-0 . ${host}-0 }`);
    }
  } else if (bmc || !store) {
    const port = `${host}-${bmc ? 1 : 0}`;
    commands.push(`add element bridge lab out { ${port} }`);
    if (!oneWay) commands.push(`add element bridge lab in { ${port} }`);
  }
  for (const command of commands) await lab.do(5000, 'nft', command);
  if (store) await cutStore(lab, host, oneWay);
  const what = store
    ? 'the store'
    : bmc
      ? 'the BMC network'
      : from.length > 0
        ? from.join(', ')
        : 'the cluster network';
  record(lab, host, `cut from ${what}${oneWay ? ' (its own packets only)' : ''}`);
}

/** Inside the host, so that its way to a ZooKeeper server on the same host is cut too. */
async function cutStore(lab: Lab, host: string, oneWay: boolean): Promise<void> {
  const rules = [
    'add table inet labcut',
    'add chain inet labcut out { type filter hook output priority 0; }',
    'add chain inet labcut in { type filter hook input priority 0; }',
    'add rule inet labcut out tcp dport 2181 drop',
    ...(oneWay ? [] : ['add rule inet labcut in tcp sport 2181 drop']),
  ];
  for (const rule of rules) await lab.do(5000, lab.script('enter.sh'), host, 'nft', rule);
}

/** Heals one host, or all of them. */
export async function heal(lab: Lab, host: string | null): Promise<void> {
  const hosts = host === null ? lab.hosts() : [lab.host(host)];
  if (host === null) {
    for (const set of ['out', 'in', 'pair']) await lab.do(5000, 'nft', `flush set bridge lab ${set}`);
  } else {
    for (const n of [0, 1])
      for (const set of ['out', 'in'])
        await quietly(lab.do(5000, 'nft', `delete element bridge lab ${set} { ${host}-${n} }`));
    for (const other of lab.hosts().filter((name) => name !== host)) {
      await quietly(lab.do(5000, 'nft', `delete element bridge lab pair { ${host}-0 . ${other}-0 }`));
      await quietly(lab.do(5000, 'nft', `delete element bridge lab pair { ${other}-0 . ${host}-0 }`));
    }
  }
  for (const name of hosts)
    await quietly(lab.do(5000, lab.script('enter.sh'), name, 'nft', 'delete table inet labcut'));
  record(lab, host ?? 'all', 'healed');
}

/** Healing what was not cut is no error. */
async function quietly(work: Promise<unknown>): Promise<void> {
  await work.then(
    () => undefined,
    () => undefined,
  );
}

const processes: Readonly<Record<string, RegExp>> = {
  noded: /dist\/daemon\/main\.js/,
  zookeeper: /QuorumPeerMain/,
  libvirtd: /libvirtd --listen/,
  ceph: /ceph-mon/,
  // What starts them again when they end.
  'noded-service': /noded\.sh/,
  'zookeeper-service': /zookeeper\.sh/,
};

/** What of a host can be frozen. */
export const freezable: readonly string[] = [...Object.keys(processes), 'all'];

/** Returns when they stand still, or run again. */
export async function freeze(lab: Lab, host: string, which: string, frozen: boolean): Promise<void> {
  const cgroup = join(lab.file().cgroup, lab.host(host));
  if (which === 'all') {
    await freezeGroup(cgroup, frozen);
  } else {
    const pattern = processes[which];
    if (pattern === undefined) throw new LabError(`--process takes ${freezable.join(', ')}; got "${which}"`);
    const pids = lab.pidsOf(host, pattern);
    if (pids.length === 0) throw new LabError(`no ${which} runs on ${host}`);
    await (frozen ? freezeProcesses(pids) : thawProcesses(pids));
  }
  record(lab, host, `${which === 'all' ? 'host' : which} ${frozen ? 'frozen' : 'thawed'}`);
}

/** Thaws everything of a host that could be frozen. */
export async function thawAll(lab: Lab, host: string): Promise<void> {
  await freezeGroup(join(lab.file().cgroup, lab.host(host)), false);
  await thawProcesses(Object.values(processes).flatMap((pattern) => lab.pidsOf(host, pattern)));
  record(lab, host, 'thawed');
}

/** The modes that need the simulated BMC to start anew, since accounts are read at its start. */
const accountModes = ['badpass', 'user-level'];

export async function bmc(lab: Lab, host: string, mode: string): Promise<void> {
  lab.host(host);
  const known = ['ok', 'down', 'badpass', 'user-level', 'stuck', 'lies-off'];
  if (!known.includes(mode) && !/^slow=\d+(\.\d+)?$/.test(mode)) {
    throw new LabError(`bmc takes ${known.join(', ')} or slow=SECONDS; got "${mode}"`);
  }
  const address = `10.78.0.${10 + Number(host.slice(4))}`;
  const file = lab.path('bmc', host, 'mode');
  const before = existsSync(lab.path('bmc', host, 'account-mode'));
  const needsRestart = accountModes.includes(mode) || before;
  await quietly(lab.do(5000, 'nft', `delete element inet lab silent { ${address} }`));
  writeFileSync(file, mode);
  if (mode === 'down') await lab.do(5000, 'nft', `add element inet lab silent { ${address} }`);
  if (accountModes.includes(mode)) writeFileSync(lab.path('bmc', host, 'account-mode'), mode);
  else rmSync(lab.path('bmc', host, 'account-mode'), { force: true });
  if (needsRestart) {
    // not through Lab.do: the simulated BMC has to outlive this command
    await lab.do(
      10_000,
      'bash',
      '-c',
      `setsid "${lab.script('bmc.sh')}" ${host} restart </dev/null >/dev/null 2>&1 & wait $!; sleep 0.3`,
    );
  }
  record(lab, host, `BMC set to ${mode}`);
}

/** What the nodeds of a host take for the time of day: the machine's, and this much more. */
export function setClock(lab: Lab, host: string, offsetMs: number): void {
  const seconds = Math.round(offsetMs / 1000);
  writeFileSync(lab.path('conf', host, 'clock'), `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}`);
}

/** A jump of the wall clock that noded sees, and nobody else. */
export function clock(lab: Lab, host: string, how: string, by: string | null): void {
  lab.host(host);
  if (!/^export CLOCK_LIBRARY='.+'$/m.test(readFileSync(lab.path('lab.env'), 'utf8')))
    throw new LabError("the clocks of this lab are the machine's; scripts/lab up --clocks gives each noded its own");
  const ms = how === 'right' && by === null ? 0 : parseDuration(by ?? '');
  if (ms === null || !['ahead', 'behind', 'right'].includes(how))
    throw new LabError('clock takes ahead DURATION, behind DURATION (e.g. ahead 1h) or right');
  setClock(lab, host, how === 'behind' ? -ms : ms);
  record(lab, host, ms === 0 ? 'clock set right' : `clock set ${how} by ${by ?? ''}`);
}

/** Subsystem -> the program that is made to hang. */
const programs: Readonly<Record<string, string>> = { ceph: 'ceph', libvirt: 'virsh', ipmi: 'ipmitool' };

/** Puts a program in front of the real one that hangs and ignores SIGTERM; its children do too. */
export async function hang(lab: Lab, host: string, subsystem: string, hanging: boolean): Promise<void> {
  lab.host(host);
  if (!/^[a-z0-9-]+$/.test(subsystem))
    throw new LabError(
      `a subsystem is one of ${Object.keys(programs).join(', ')}, or the program of a command of yours; got "${subsystem}"`,
    );
  const file = `/run/lab/bin/${programs[subsystem] ?? subsystem}`;
  const body = `#!/bin/bash\ntrap "" TERM INT HUP\nwhile :; do sleep 1000 & wait $!; done\n`;
  if (hanging)
    await lab.do(
      5000,
      lab.script('enter.sh'),
      host,
      'bash',
      '-c',
      `printf '%s' "$1" > "$2"; chmod +x "$2"`,
      '-',
      body,
      file,
    );
  else await lab.do(5000, lab.script('enter.sh'), host, 'rm', '-f', file);
  record(lab, host, `${subsystem} ${hanging ? 'hangs' : 'answers again'}`);
}
