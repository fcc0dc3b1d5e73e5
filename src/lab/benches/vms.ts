/**
 * scripts/bench vms: a live migration of a 64 MiB guest, from the written order to the written outcome, against a bare `virsh
 * migrate` of such a guest; then from `fenced` to the last of 1, 5 and 20 guests running again; then a list of 1,000 VMs.
 */
import { writeFileSync } from 'node:fs';
import { run } from '../../real/process/runner.ts';
import { power } from '../faults.ts';
import { guestUuid, guestXml } from '../guest.ts';
import type { Lab } from '../lab.ts';
import { LabError, pause } from '../lab.ts';
import { ask, nodectl } from '../status.ts';
import { up } from '../up.ts';
import { healthy, say, spread } from './common.ts';

interface Happened {
  readonly kind: string;
  readonly node: string | null;
  readonly because: string;
  readonly wallMs: number;
}

interface Row {
  readonly name: string;
  readonly node: string;
  readonly state: string;
  readonly health: string;
}

export async function vms(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  const set = ['keepalive.interval=1s', 'detection.savingThrows=3', 'fencing.maxFencesPerHour=100'];
  await up(lab, { nodes: 3, zookeepers: 3, vms: true, set, say });
  const found = { ...(await migrations(lab, runs)), ...(await recoveries(lab)) };
  return { ...found, ...(await longList(lab)) };
}

async function ctl(lab: Lab, ...words: string[]): Promise<void> {
  const [program, args] = nodectl(lab, words);
  lab.must(
    await run(program, args, { deadlineMs: 60_000, env: { NODEKEEPER_CONFIG: lab.path('conf', 'config.yaml') } }),
    ['nodectl', ...words],
  );
}

async function define(lab: Lab, name: string, node: string): Promise<void> {
  const file = lab.path('log', `${name}.xml`);
  writeFileSync(file, guestXml(name));
  await ctl(lab, 'vm', 'define', file, '--node', node);
  await ctl(lab, 'vm', 'start', name);
}

const events = async (lab: Lab) => ((await ask(lab, ['events', '--json', '--limit', '60'])) ?? []) as Happened[];
const rows = async (lab: Lab) => ((await ask(lab, ['vm', 'list', '--json'])) as { vms: Row[] } | null)?.vms ?? [];

async function migrations(lab: Lab, runs: number): Promise<Record<string, unknown>> {
  await define(lab, 'moved', 'node1');
  const ours: number[] = [];
  for (let at = 0; at < runs; at += 1) {
    const target = at % 2 === 0 ? 'node2' : 'node1';
    await pause(1000);
    const order = ['/opt/lab/node', '/opt/nodekeeper/dist/lab/benches/order-move.js', 'moved', target];
    const orderedMs = Number((await lab.do(10_000, lab.script('enter.sh'), 'node3', ...order)).trim());
    const done = await movedAfter(lab, orderedMs);
    ours.push(done - orderedMs);
    say(`migration ${at + 1} of ${runs}: ${Math.round(done - orderedMs)} ms`);
  }
  const bare = await bareMigrations(lab, runs);
  return {
    'live migration, ordered -> recorded (ms)': spread(ours),
    'bare virsh migrate (ms)': spread(bare),
    'ours on top, medians (ms)': spread(ours).median - spread(bare).median,
  };
}

/** When the outcome was recorded. */
async function movedAfter(lab: Lab, orderedMs: number): Promise<number> {
  for (let tries = 0; tries < 60; tries += 1) {
    const done = (await events(lab)).find(
      (event) => event.wallMs >= orderedMs && event.because.startsWith('moved: migrate-live => start'),
    );
    if (done !== undefined) {
      if (!done.because.includes('it has moved live')) throw new LabError(done.because);
      return done.wallMs;
    }
    await pause(300);
  }
  throw new LabError('the migration was not recorded');
}

/** A guest that nodekeeper does not know, moved by hand with the same words. */
async function bareMigrations(lab: Lab, runs: number): Promise<number[]> {
  const virsh = (host: string, ...words: string[]) =>
    lab.do(30_000, lab.script('enter.sh'), host, 'virsh', '-q', ...words);
  await lab.do(
    5000,
    lab.script('enter.sh'),
    'node1',
    'bash',
    '-c',
    `cat > /tmp/bare.xml <<'X'\n${guestXml('bare')}\nX`,
  );
  await virsh('node1', 'define', '/tmp/bare.xml');
  await virsh('node1', 'start', guestUuid('bare'));
  const took: number[] = [];
  for (let at = 0; at < runs; at += 1) {
    const [from, to] = at % 2 === 0 ? (['node1', 12] as const) : (['node2', 11] as const);
    const address = `10.77.0.${to}`;
    const words = ['migrate', '--live', '--persistent', '--undefinesource', guestUuid('bare')];
    await pause(1000);
    const script = `s=$(date +%s%N); virsh -q ${words.join(' ')} qemu+tcp://${address}/system tcp://${address}; e=$(date +%s%N); echo $(( (e - s) / 1000000 ))`;
    took.push(Number((await lab.do(30_000, lab.script('enter.sh'), from, 'bash', '-c', script)).trim()));
  }
  await virsh(runs % 2 === 0 ? 'node1' : 'node2', 'destroy', guestUuid('bare'));
  return took;
}

async function recoveries(lab: Lab): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  let named = 0;
  for (const count of [1, 5, 20]) {
    await healthy(lab);
    const names: string[] = [];
    for (const { name, state } of await rows(lab)) if (state === 'start') await ctl(lab, 'vm', 'stop', name);
    for (let at = 0; at < count; at += 1) {
      named += 1;
      names.push(`r${named}`);
      await define(lab, `r${named}`, 'node2');
    }
    const pulledMs = Date.now();
    await power(lab, 'node2', 'off');
    const endMs = performance.now() + 120_000;
    while (
      !(await rows(lab))
        .filter(({ name }) => names.includes(name))
        .every((vm) => vm.node !== 'node2' && vm.health === 'ok')
    ) {
      if (performance.now() > endMs) throw new LabError('not all guests run again');
      await pause(300);
    }
    const about = ((await ask(lab, ['events', '--json', '--limit', '0'])) as Happened[]).filter(
      (event) => event.wallMs > pulledMs,
    );
    const fencedMs = about.find((event) => event.kind === 'fenced')?.wallMs ?? NaN;
    const ran = about.filter(
      (event) => event.kind === 'vm' && names.some((name) => event.because.startsWith(`${name} runs on`)),
    );
    const tookMs = Math.max(...ran.map((event) => event.wallMs)) - fencedMs;
    found[`${count} guests: fenced -> last one runs (ms)`] = Math.round(tookMs);
    found[`${count} guests: plug -> last one runs (ms)`] = Math.round(tookMs + fencedMs - pulledMs);
    say(`${count} guests run again ${Math.round(tookMs)} ms after "fenced"`);
  }
  return found;
}

async function longList(lab: Lab): Promise<Record<string, unknown>> {
  const [program, words] = nodectl(lab, []);
  const env = { NODEKEEPER_CONFIG: lab.path('conf', 'config.yaml') };
  const filler = `${lab.repository}/dist/lab/benches/fill-vms.js`;
  const inLab = [...words.slice(0, words.length - 1), filler, '1000'];
  lab.must(await run(program, inLab, { deadlineMs: 120_000, env }), ['fill-vms']);
  const took = async (...args: string[]): Promise<number[]> => {
    const times: number[] = [];
    for (let at = 0; at < 9; at += 1) {
      const done = await run(program, [...words, ...args], { deadlineMs: 20_000, env });
      if (done.kind !== 'exited' || done.code !== 0) throw new LabError(`nodectl ${args.join(' ')} failed`);
      times.push(done.tookMs);
    }
    return times;
  };
  const whole = spread(await took('vm', 'list'));
  const start = spread(await took('maintenance', 'status'));
  return {
    'vm list with 1,000 records, whole process (ms)': whole,
    'nodectl with nothing to list, whole process (ms)': start,
    'the list itself, medians (ms)': whole.median - start.median,
  };
}
