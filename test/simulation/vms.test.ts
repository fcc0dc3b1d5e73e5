/** VMs whose migration is struck in its dangerous moments (S2); random stories are in swarm.test.ts. */
import { checkOffBeforeFenced } from '../../src/sim/checkers/off-before-fenced.ts';
import { checkOneHome } from '../../src/sim/checkers/one-home.ts';
import { simCluster } from '../../src/sim/cluster.ts';
import { repair } from '../../src/sim/repair.ts';
import { obey } from '../../src/sim/scenario.ts';
import { unsettled } from '../../src/sim/swarm/settled.ts';
import { simUuid } from '../../src/sim/vm-story.ts';
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

function homesOf(under: World, vm: string): string[] {
  const machines = [...under.machines.values()];
  return machines.filter((machine) => machine.guests.get(simUuid(vm))?.power === 'running').map(({ name }) => name);
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
