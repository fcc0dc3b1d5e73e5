/**
 * The fault matrix on real hosts: what strikes, whom, and in the middle of what. What comes of it is judged from outside: by the
 * addresses on the hosts, the counts of the guest, the orders that reached the BMCs; never by what the product says.
 */
import { QemuWatcher } from './guests.ts';
import type { LabDriver } from './lab.ts';
import { pause } from './zookeeper.ts';

export interface Fault {
  readonly name: string;
  /** Whether its victim falls silent, or could: then it may rightly be fenced. */
  readonly isSilent: boolean;
  strike(lab: LabDriver, host: string): Promise<unknown>;
  /** Takes the fault away, whatever has become of the host meanwhile. */
  undo(lab: LabDriver, host: string): Promise<unknown>;
}

const nothing = () => Promise.resolve();
const inHost = (lab: LabDriver, host: string, words: string) => lab.say(['exec', host, '--', 'bash', '-c', words]);
/** Words that would match the shell that they are given to are written so that they do not. */
const startNoded = 'setsid /opt/lab/host/noded.sh $(hostname) > /dev/null 2>&1 &';

const bmcFault = (mode: string): Fault => ({
  name: `bmc ${mode}`,
  isSilent: false,
  strike: (lab, host) => lab.do('bmc', host, mode),
  undo: (lab, host) => lab.do('bmc', host, mode.startsWith('slow') ? 'slow=0' : 'ok'),
});

const cutFault = (name: string, ...how: string[]): Fault => ({
  name,
  isSilent: !how.includes('--bmc'),
  strike: (lab, host) => lab.do('cut', host, ...how),
  undo: (lab) => lab.do('heal'),
});

const frozen = (process: string, isSilent: boolean): Fault => ({
  name: `${process} frozen`,
  isSilent,
  strike: (lab, host) => lab.say(['freeze', host, '--process', process]),
  undo: (lab, host) => lab.say(['thaw', host]),
});

let thawEnsemble: () => Promise<void> = nothing;

const clockFault = (how: 'ahead' | 'behind'): Fault => ({
  name: `clock an hour ${how}`,
  isSilent: false,
  strike: (lab, host) => lab.do('clock', host, how, '1h'),
  undo: (lab, host) => lab.do('clock', host, 'right'),
});

export const faults: readonly Fault[] = [
  {
    name: 'plug',
    isSilent: true,
    strike: (lab, host) => lab.do('power', host, 'off'),
    undo: (lab, host) => lab.say(['power', host, 'on']),
  },
  {
    name: 'noded killed',
    isSilent: false, // it is started again
    strike: (lab, host) => inHost(lab, host, 'pkill -KILL -f [d]aemon/main.js'),
    undo: nothing,
  },
  frozen('noded', true),
  frozen('all', true),
  {
    name: 'noded frozen, bmc down',
    isSilent: true,
    async strike(lab, host) {
      await lab.do('bmc', host, 'down');
      await lab.say(['freeze', host, '--process', 'noded']);
    },
    async undo(lab, host) {
      await lab.say(['thaw', host]);
      await lab.do('bmc', host, 'ok');
    },
  },
  cutFault('cut'),
  cutFault('cut, outwards only', '--one-way'),
  cutFault('cut from the store', '--store'),
  cutFault('cut from the bmcs', '--bmc'),
  {
    name: 'zookeeper killed',
    isSilent: false,
    strike: (lab, host) => inHost(lab, host, 'pkill -KILL -f [Q]uorumPeerMain'),
    undo: nothing,
  },
  frozen('zookeeper', false),
  {
    name: 'zookeeper leader killed',
    isSilent: false,
    strike: async (lab) => inHost(lab, await lab.leader(zookeepers), 'pkill -KILL -f [Q]uorumPeerMain'),
    undo: nothing,
  },
  {
    name: 'ensemble frozen',
    isSilent: false,
    async strike(lab) {
      thawEnsemble = (await lab.freezeEnsemble(zookeepers)).thaw;
    },
    undo: () => thawEnsemble(),
  },
  bmcFault('down'),
  bmcFault('slow=3'),
  bmcFault('stuck'),
  frozen('libvirtd', false),
  {
    name: 'full disk',
    isSilent: false,
    strike: (lab, host) =>
      inHost(
        lab,
        host,
        'mkdir -p /var/lib/nodekeeper; mount -t tmpfs -o size=4k full /var/lib/nodekeeper; head -c 9000 /dev/zero > /var/lib/nodekeeper/full',
      ),
    undo: (lab, host) => inHost(lab, host, 'umount /var/lib/nodekeeper'),
  },
  {
    name: 'cpu hog',
    isSilent: false,
    strike: (lab, host) =>
      inHost(lab, host, 'for i in 1 2 3; do (setsid timeout 8 bash -c "while :; do :; done" > /dev/null 2>&1 &); done'),
    undo: nothing,
  },
  clockFault('ahead'),
  clockFault('behind'),
];

export const hosts = ['node1', 'node2', 'node3', 'node4'];
const zookeepers = ['node1', 'node2', 'node3'];

/** Who is who when a cell begins. */
export interface Cast {
  readonly primary: string;
  /** Where the guest runs. */
  readonly home: string;
  /** A coordinator that is neither. */
  readonly other: string;
}

/** Who is struck in the middle of what. */
export interface Moment {
  readonly name: string;
  /**
   * Brings the cluster into the middle of it. `free`: others that may rightly be fenced; `finish`: waits for what was begun, and
   * takes away what was changed.
   */
  begin(
    lab: LabDriver,
    cast: Cast,
  ): Promise<{ readonly victim: string; readonly free: readonly string[]; finish(): Promise<unknown> }>;
}

const steady = (role: string, victimOf: (cast: Cast) => string): Moment => ({
  name: `${role}, steady`,
  begin: (_lab, cast) => Promise.resolve({ victim: victimOf(cast), free: [], finish: nothing }),
});

const transfer = (role: 'source' | 'target'): Moment => ({
  name: `transfer ${role}, in the middle`,
  async begin(lab, { primary, other }) {
    let told = '';
    const moving = lab.say(['ctl', 'primary', 'takeover', '--node', other], 120_000, (text) => (told += text));
    // That takes a second, and starting it at the other one takes another.
    await lab.until('the holder stops', 20_000, () => Promise.resolve(/ stopping /.test(told)));
    return { victim: role === 'source' ? primary : other, free: [], finish: () => moving };
  },
});

const migration = (role: 'source' | 'target'): Moment => ({
  name: `VM ${role}, in the middle of a live migration`,
  async begin(lab, { home, other }) {
    const watcher = new QemuWatcher(lab.dir);
    const moving = lab.say(['ctl', 'vm', 'migrate', guest, '--force-live', '--target', other]);
    await lab.until('its target has a QEMU of it', 20_000, () => Promise.resolve(watcher.firstNewMs.size > 0));
    watcher.stop();
    return { victim: role === 'source' ? home : other, free: [], finish: () => moving };
  },
});

export const guest = 'g1';

export const moments: readonly Moment[] = [
  steady('primary', ({ primary }) => primary),
  steady('secondary', ({ other }) => other),
  {
    name: 'fencer, in the middle of a fence',
    async begin(lab, { other }) {
      const before = (await lab.fences()).length;
      await lab.do('bmc', other, 'slow=2');
      await lab.do('power', other, 'off');
      await lab.until('it is being fenced', 20_000, async () => (await lab.fences()).length > before);
      const fencer = (await lab.fences()).find((fence) => fence.node === other)?.by ?? '';
      const finish = async () => {
        await lab.do('bmc', other, 'slow=0');
        await lab.say(['power', other, 'on']);
      };
      return { victim: fencer, free: [other], finish };
    },
  },
  transfer('source'),
  transfer('target'),
  migration('source'),
  migration('target'),
  {
    name: 'node, just starting',
    async begin(lab, { other }) {
      await inHost(lab, other, 'pkill -TERM -f [d]aemon/main.js');
      await lab.do('ctl', 'wait', '--for', 'stop', '--node', other, '--timeout', '20s');
      await inHost(lab, other, startNoded);
      await pause(300);
      return { victim: other, free: [], finish: nothing };
    },
  },
  {
    name: 'primary, just stopping',
    async begin(lab, { primary }) {
      await inHost(lab, primary, 'pkill -TERM -f [d]aemon/main.js');
      await pause(300);
      const finish = async () => {
        // Whatever has become of its stop: it may have been fenced, and started since.
        const ended =
          'for i in 1 2 3 4 5 6 7 8 9 10; do pgrep -f [n]oded.sh > /dev/null || exit 0; sleep 1; done; exit 1';
        if ((await inHost(lab, primary, ended)).code === 0) await inHost(lab, primary, startNoded);
      };
      return { victim: primary, free: [], finish };
    },
  },
];
