/** VMs under random commands and faults (S2). Each seed is replayable; NODEKEEPER_SEEDS=61-1000 runs others. */
import { checkOffBeforeFenced } from '../../src/sim/checkers/off-before-fenced.ts';
import { checkOneHome } from '../../src/sim/checkers/one-home.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { SeededRandom } from '../../src/sim/random.ts';
import { obey } from '../../src/sim/scenario.ts';
import { readSimVm, simUuid } from '../../src/sim/vm-story.ts';
import { World } from '../../src/sim/world.ts';

const set = {
  'keepalive.interval': '1s',
  'detection.savingThrows': 3,
  'fencing.levelDeadline': '10s',
  'fencing.retryBackoff': '5s',
  'fencing.maxFencesPerHour': 100,
  'vms.enabled': true,
  'vms.checkInterval': '1s',
  'vms.shutdownTimeout': '5s',
  'vms.commandTimeout': '2s',
  'vms.liveTimeout': '20s',
  'vms.maxStarts': 50,
};
const vms = ['vm1', 'vm2', 'vm3', 'vm4', 'vm5'];
const apart = ['vm1', 'vm2'];
const [from = 1, to = 25] = (process.env['NODEKEEPER_SEEDS'] ?? '1-25').split('-').map(Number);
const seeds = Array.from({ length: to - from + 1 }, (_, index) => from + index);

function homesOf(under: World, vm: string): string[] {
  const machines = [...under.machines.values()];
  return machines.filter((machine) => machine.guests.get(simUuid(vm))?.power === 'running').map(({ name }) => name);
}

/** R29: looks at the machines whenever a guest of an apart VM begins to run. */
function checkApart(under: World): () => string[] {
  const found: string[] = [];
  const before = under.onGuest;
  under.onGuest = (node, uuid, guest) => {
    before(node, uuid, guest);
    const here = apart.filter((vm) => under.machine(node).guests.get(simUuid(vm))?.power === 'running');
    if (guest?.power === 'running' && here.length > 1)
      found.push(`${(under.time.nowMs / 1000).toFixed(3)}: ${here.join(' and ')} run on ${node}`);
  };
  return () => found;
}

/** After a long quiet: what shall run runs at its home, what shall not does not, and nothing is in between. */
function unsettled(under: World): string[] {
  return vms.flatMap((vm) => {
    const record = readSimVm(under, vm);
    const homes = homesOf(under, vm);
    if (record === null) return [`${vm} has no record`];
    const wanted = record.state === 'start' ? [record.node] : [];
    const isSettled = ['start', 'stop', 'disable'].includes(record.state) && record.move === null;
    if (!isSettled) return [`${vm} is left in ${record.state}: ${record.because}`];
    if (homes.join() !== wanted.join())
      return [`${vm} (${record.state} on ${record.node}) runs on ${homes.join(', ')}`];
    return record.active === (record.state === 'start')
      ? []
      : [`${vm}: active ${String(record.active)} in ${record.state}`];
  });
}

it.each(seeds)('S2: seed %i: no VM ever runs twice, and in the end each is where its record says', async (seed) => {
  const random = new SeededRandom(seed * 104_729);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random.fraction() * items.length)] as T;
  const under = new World({ seed, nodes: simCluster({ nodes: 3 + (seed % 3), set }), bootMs: 3000 });
  const names = [...under.machines.keys()];
  const twice = checkOneHome(under);
  const together = checkApart(under);
  const early = checkOffBeforeFenced(under);
  under.powerAll();
  await under.run(10_000);
  for (const vm of vms) obey(under, `vm ${vm} define ${pick(names)} 64${apart.includes(vm) ? ' apart=db' : ''}`);
  await under.run(2000);
  for (const vm of vms) obey(under, `vm ${vm} start`);
  await under.run(3000);
  for (let turn = 0; turn < 14; turn += 1) {
    const node = pick(names);
    const vm = pick(vms);
    const command = pick([
      `vm ${vm} migrate ${pick(names)}`,
      `vm ${vm} migrate`,
      `vm ${vm} migrate-live ${pick(names)}`,
      `vm ${vm} move ${pick(names)}`,
      `vm ${vm} unmigrate`,
      `vm ${vm} cancel`,
      `vm ${vm} ${pick(['start', 'shutdown', 'stop', 'restart'])}`,
      `vm ${vm} start`,
      `guest ${vm} ${readSimVm(under, vm)?.node ?? node} ${pick(['crash', 'off'])}`,
      `drain ${node} ${pick(['flush', 'ready'])}`,
      `libvirt ${node} ${pick(['hangs', 'live-fails', 'start-fails', 'deaf', 'ok'])}`,
      `power ${node} off`,
      `freeze ${node}`,
      `kill ${node}`,
      `cut ${node} --store`,
      `cut ${node} --peers`,
      `bmc ${node} ${pick(['stuck', 'down', 'slow=2s'])}`,
      'store down',
    ]);
    under.trace.line('story', command, '');
    obey(under, command);
    await under.run(random.between(50, 4000));
    if (random.fraction() < 0.3) repair(under);
  }
  repair(under);
  for (const machine of under.machines.values()) machine.powerOn();
  await under.run(5000);
  for (const machine of under.machines.values()) machine.startNoded();
  await under.run(240_000);
  for (const vm of vms) if (readSimVm(under, vm)?.state === 'fail') obey(under, `vm ${vm} start`);
  await under.run(30_000);
  const problems = { twice: twice(), early: early(), together: together(), unsettled: unsettled(under) };
  const isFine = Object.values(problems).every((found) => found.length === 0);
  expect({ seed, ...problems, log: isFine ? '' : under.trace.text() }).toEqual({
    seed,
    twice: [],
    early: [],
    together: [],
    unsettled: [],
    log: '',
  });
});

function repair(under: World): void {
  obey(under, 'store up');
  obey(under, 'heal');
  under.libvirtModes.clear();
  for (const [name, machine] of under.machines) {
    obey(under, `bmc ${name} ok`);
    obey(under, `bmc ${name} slow=0s`);
    obey(under, `drain ${name} ready`);
    if (machine.process?.frozen === true) machine.process.thaw();
  }
}

describe('a live migration is struck in its dangerous moments', () => {
  const strikes = [
    'power SOURCE off',
    'power SOURCE off; libvirt TARGET hangs',
    'power TARGET off',
    'freeze SOURCE',
    'freeze TARGET',
    'kill SOURCE',
    'kill TARGET',
    'cut SOURCE --store',
    'cut TARGET --store',
    'cut TARGET --peers',
    'cut SOURCE --all',
    'libvirt SOURCE hangs',
    'libvirt TARGET hangs',
    'store down',
    'vm vm1 cancel',
  ];
  // After the guest is paused at its source: its copy waits for one word. Before: its memory is being copied.
  const moments = [-300, -5, 1, 20, 45, 62, 75];
  const cases = strikes.flatMap((strike) => moments.map((ms) => [strike, ms] as const));
  it.each(cases)('S2: %s, %i ms after the guest was paused at its source', async (strike, ms) => {
    for (const [seed, verb] of [
      [1, 'migrate'],
      [2, 'migrate-live'],
    ] as const) {
      const under = new World({ seed, nodes: simCluster({ nodes: 4, set }), bootMs: 3000 });
      const twice = checkOneHome(under);
      const early = checkOffBeforeFenced(under);
      under.powerAll();
      await under.run(10_000);
      for (const vm of vms) obey(under, `vm ${vm} define node2`);
      await under.run(1000);
      obey(under, 'vm vm1 start');
      await under.run(2000);
      const hit = () => {
        for (const line of strike.replace('SOURCE', 'node2').replace('TARGET', 'node3').split('; ')) {
          under.trace.line('story', line, '');
          obey(under, line);
        }
      };
      let isArmed = true;
      under.trace.onLine = (line) => {
        const begins = ms < 0 && line.because.startsWith('vm1 begins to move live');
        const paused = ms >= 0 && line.event.startsWith('guest') && line.because === 'paused (migration)';
        if (!isArmed || !(begins || paused)) return;
        isArmed = false;
        under.time.after(ms < 0 ? 600 + ms : ms, hit);
      };
      obey(under, `vm vm1 ${verb} node3`);
      await under.run(30_000);
      expect(isArmed).toBe(false);
      repair(under);
      for (const machine of under.machines.values()) machine.powerOn();
      await under.run(5000);
      for (const machine of under.machines.values()) machine.startNoded();
      await under.run(60_000);
      const problems = { twice: twice(), early: early(), unsettled: unsettled(under) };
      const isFine = Object.values(problems).every((found) => found.length === 0);
      expect({ seed, ...problems, log: isFine ? '' : under.trace.text() }).toEqual({
        seed,
        twice: [],
        early: [],
        unsettled: [],
        log: '',
      });
      expect(homesOf(under, 'vm1')).toHaveLength(1);
    }
  });
});
