/**
 * Every fault, in every role, in the middle of everything; by default a chosen core of it. `scripts/matrix` runs all of it and
 * prints the table. What must hold is in test/support/matrix.ts; each cell ends with a cluster that is well again.
 */
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestXml } from '../../src/lab/guest.ts';
import { AddressWatch } from '../support/address-watch.ts';
import { countBoots, ticksOf } from '../support/guests.ts';
import { LabDriver } from '../support/lab.ts';
import type { Cast, Fault, Moment } from '../support/matrix.ts';
import { faults, guest, hosts, moments } from '../support/matrix.ts';
import { pause } from '../support/zookeeper.ts';

/** Cells as "fault | moment"; a pattern, or by default the core. */
const wanted = process.env['NODEKEEPER_MATRIX'];
const core = [
  'plug | VM source, in the middle of a live migration',
  'noded frozen | fencer, in the middle of a fence',
  'cut | transfer target, in the middle',
  'cut from the store | primary, steady',
];
const struckMs = 6000;
const wellMs = 120_000;

const nameOf = (fault: Fault, moment: Moment) => `${fault.name} | ${moment.name}`;
const isWanted = (name: string) => (wanted === undefined ? core.includes(name) : new RegExp(wanted, 'i').test(name));
const all = moments.flatMap((moment) =>
  faults.flatMap((fault) => (isWanted(nameOf(fault, moment)) ? [{ name: nameOf(fault, moment), fault, moment }] : [])),
);
type Cell = (typeof all)[number];
/** Several labs at once take turns: "2/3" is every third cell from the second on. */
const [share = 1, shares = 1] = (process.env['NODEKEEPER_MATRIX_SHARE'] ?? '1/1').split('/').map(Number);
const cells = all.filter((_, index) => index % shares === share - 1);

const lab = new LabDriver();
let watch: AddressWatch | null = null;
const seen = (): AddressWatch => {
  if (watch === null) throw new Error('no lab is up');
  return watch;
};

/** Into the table that `scripts/matrix` shows, as soon as a cell is done. */
function tell(line: string): void {
  const table = process.env['NODEKEEPER_MATRIX_TABLE'];
  if (table !== undefined) appendFileSync(table, `${line}\n`);
}

/** What the lab itself did to a host, by its own log. */
const orders = (): string[] =>
  (lab.logs().get('lab.jsonl') ?? '')
    .split('\n')
    .filter((line) => line.includes('BMC: power off ordered'))
    .map((line) => (JSON.parse(line) as { node: string }).node);

interface Vm {
  readonly name: string;
  readonly node: string;
  readonly state: string;
  readonly active: boolean;
}
async function vm(): Promise<Vm | null> {
  const said = await lab.say(['ctl', 'vm', 'list', '--json']);
  return said.code === 0
    ? ((JSON.parse(said.stdout) as { vms: Vm[] }).vms.find(({ name }) => name === guest) ?? null)
    : null;
}

async function primary(): Promise<string | null> {
  const said = await lab.say(['ctl', 'status', '--json']);
  if (said.code !== 0) return null;
  const { holder, state } = (JSON.parse(said.stdout) as { primary: { holder: string | null; state: string } }).primary;
  return state === 'primary' ? holder : null;
}

/** Every node runs, the address lies on the primary alone, the guest counts where it is said to be. Returns who is who. */
async function well(): Promise<Cast> {
  await lab.healthy(wellMs);
  const found: Cast[] = [];
  await lab.until('one primary with the address, and the guest runs', wellMs, async () => {
    const holder = await primary();
    const home = await vm();
    if (holder === null || home?.state !== 'start' || !home.active || seen().now().join() !== holder) return false;
    const other = hosts.find((host) => host !== holder && host !== home.node) ?? '';
    found.push({ primary: holder, home: home.node, other });
    return true;
  });
  const before = ticksOf(lab.dir, guest).length;
  await lab.until('the guest counts', 10_000, () => Promise.resolve(ticksOf(lab.dir, guest).length > before));
  const [cast] = found;
  if (cast === undefined) throw new Error('nobody is anybody');
  return cast;
}

const app = `{type: command, name: app, stopTimeout: 4s, start: [bash, -c, 'sleep 1; touch /run/app'], stop: [bash, -c, 'sleep 1; rm -f /run/app'], status: [bash, -c, 'test -e /run/app || exit 3']}`;

async function up(): Promise<void> {
  const set = [
    'keepalive.interval=1s',
    'detection.savingThrows=3',
    'fencing.levelDeadline=10s',
    'fencing.retryBackoff=3s',
    'fencing.maxFencesPerHour=100',
    'primary.checkInterval=1s',
    'primary.barAfterFailure=2s',
    'vms.stallTimeout=5s',
    'vms.maxStarts=100',
    `primary.resources=[{type: address, name: vip, address: 10.77.0.200/24, interface: eth0}, ${app}]`,
  ];
  await lab.up(['--nodes', String(hosts.length), '--vms', '--clocks'], set);
  watch = new AddressWatch(lab.dir, hosts);
  const file = join(lab.dir, 'log', `${guest}.xml`);
  writeFileSync(file, guestXml(guest));
  await lab.healthy();
  await lab.do('ctl', 'vm', 'define', file, '--node', 'node4');
  await lab.do('ctl', 'vm', 'start', guest);
}

/** Plays one cell; what was seen on the hosts, in one line. Throws when a safety rule was broken, or when the cluster does not get well. */
async function play({ fault, moment }: Cell): Promise<string> {
  const cast = await well();
  const ordersBefore = orders().length;
  const bootsBefore = countBoots(ticksOf(lab.dir, guest)).boots;
  const { victim, free, finish } = await moment.begin(lab, cast);
  const struckAtMs = Date.now();
  await fault.strike(lab, victim);
  await pause(struckMs);
  const whileStruck = seen().now();
  await fault.undo(lab, victim);
  const undoneAtMs = Date.now();
  await finish();
  const after = await well();
  const wellAfterMs = Date.now() - undoneAtMs;
  const shot = [...new Set(orders().slice(ordersBefore))];
  const { boots, isTorn } = countBoots(ticksOf(lab.dir, guest));
  const gapMs = seen().longestGapMs(struckAtMs);
  // S1, S2, S3, by what was seen on the hosts.
  expect({ overlaps: seen().overlaps(), isTorn }).toEqual({ overlaps: [], isTorn: false });
  const mayBeShot = [...free, ...(fault.isSilent ? [victim] : [])];
  const wrongly = shot.filter((host) => !mayBeShot.includes(host));
  if (wrongly.length > 0) {
    const story = await lab.say(['timeline']);
    throw new Error(
      `ordered off: ${wrongly.join(' ')}; only ${mayBeShot.join(' ') || 'nobody'} may be\n${story.stdout}`,
    );
  }
  return [
    `off: ${shot.join(' ') || '-'}`.padEnd(18),
    `address: ${cast.primary} > ${whileStruck.join('+') || 'nobody'} > ${after.primary}`.padEnd(38),
    `away ${(gapMs / 1000).toFixed(1)} s`.padEnd(12),
    `guest: ${cast.home} > ${after.home}, ${boots - bootsBefore} boots`.padEnd(32),
    `well after ${(wellAfterMs / 1000).toFixed(1)} s`,
  ].join(' ');
}

describe('the fault matrix', () => {
  let isBroken = false;
  beforeAll(up, 180_000);
  afterAll(async () => {
    watch?.stop();
    await lab.end();
  });

  it.each(cells)(
    '$name',
    async (cell) => {
      const label = cell.name.padEnd(64);
      if (isBroken) {
        // What one cell left behind is not the next one's fault.
        watch?.stop();
        await lab.do('down');
        await up();
      }
      isBroken = true;
      try {
        tell(`${label} ${await play(cell)}`);
      } catch (error) {
        tell(`${label} DOES NOT HOLD: ${String(error).replaceAll(/\s+/g, ' ').slice(0, 400)}`);
        throw error;
      }
      isBroken = false;
    },
    420_000,
  );
});

it('every cell of the core exists', () => {
  if (wanted === undefined) expect(cells.map(({ name }) => name).sort()).toEqual([...core].sort());
  else expect(cells.length).toBeGreaterThan(0);
  expect(readFileSync(new URL('../../scripts/matrix', import.meta.url), 'utf8')).toContain('NODEKEEPER_MATRIX');
});
