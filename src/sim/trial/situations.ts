/** What may happen to a cluster, as stories made by chance: what an operator wants to know of an interval and a number of throws. */
import type { Config } from '../../config/load.ts';
import type { SeededRandom } from '../random.ts';
import type { StoryStep } from '../scenario.ts';
import { troublesOf } from '../swarm/plan.ts';
import type { OwnCluster } from './own-cluster.ts';
import { zookeepersOf } from './own-cluster.ts';

/** What a story is made of. */
export interface Cast {
  readonly chance: SeededRandom;
  readonly config: Config;
  readonly primary: string;
  readonly names: readonly string[];
}

export interface Plot {
  /** Times count from the beginning of the trouble. */
  readonly steps: readonly StoryStep[];
  /** The node that it happens to; null: more than one. */
  readonly victim: string | null;
  /** For how long; null: for good, or in no time. */
  readonly lastsMs: number | null;
}

/**
 * `failover`: the primary goes · `silence`: a healthy node is silent for a while · `trouble`: of more than one node ·
 * `random`: anything, repaired at the end · `story`: a person's own
 */
export type Kind = 'failover' | 'silence' | 'trouble' | 'random' | 'story';

export interface Situation {
  readonly name: string;
  readonly describe: string;
  readonly kind: Kind;
  /** Why it cannot happen in this cluster; null: it can. */
  readonly lacks?: (own: OwnCluster) => string | null;
  readonly plot: (cast: Cast) => Plot;
}

const now = (...commands: string[]): StoryStep[] => commands.map((command) => ({ atMs: 0, command }));

const gone = (...commands: string[]) =>
  function plot({ primary }: Cast): Plot {
    const steps = now(...commands.map((command) => command.replace('NODE', primary)));
    return { steps, victim: primary, lastsMs: null };
  };

/** Up to `times` the time from the last keepalive to the verdict; short ones are as likely as long ones. */
function whileOf({ chance, config }: Cast, times: number): number {
  return Math.round(chance.between(100, times * config.timing.detectionMs));
}

/** What passes by itself; NODE: `victim`. */
function passing(cast: Cast, times: number, [begin, end]: readonly [string, string], victim: string | null): Plot {
  const lastsMs = whileOf(cast, times);
  const named = (command: string) => command.replace('NODE', victim ?? '');
  return { steps: [...now(named(begin)), { atMs: lastsMs, command: named(end) }], victim, lastsMs };
}

const silent =
  (begin: string, end: string) =>
  (cast: Cast): Plot => {
    const victim = cast.names[Math.floor(cast.chance.fraction() * cast.names.length)] ?? cast.primary;
    return passing(cast, 2, [begin, end], victim);
  };

const needsThree = (own: OwnCluster) => (own.nodes < 3 ? 'it needs at least 3 nodes' : null);

export const situations: readonly Situation[] = [
  {
    name: 'power',
    kind: 'failover',
    describe: 'the primary loses power; its BMC answers',
    plot: gone('power NODE off'),
  },
  { name: 'freeze', kind: 'failover', describe: 'the primary hangs for good', plot: gone('freeze NODE') },
  {
    name: 'network',
    kind: 'failover',
    describe: 'the primary loses its network; its BMC answers',
    plot: gone('cut NODE --all'),
  },
  {
    name: 'plug',
    kind: 'failover',
    describe: 'the primary and its BMC lose power',
    plot: gone('bmc NODE down', 'power NODE off'),
  },
  {
    name: 'crash',
    kind: 'failover',
    describe: "the primary's noded is killed; systemd starts it again",
    plot: gone('kill NODE'),
  },
  { name: 'order', kind: 'failover', describe: 'nodectl primary relinquish', plot: gone('transfer NODE -') },
  {
    name: 'pause',
    kind: 'silence',
    describe: 'a machine stands still for a while, and goes on',
    plot: silent('freeze NODE', 'thaw NODE'),
  },
  {
    name: 'cut',
    kind: 'silence',
    describe: 'a machine loses its network for a while',
    plot: silent('cut NODE --all', 'heal NODE'),
  },
  {
    name: 'store',
    kind: 'trouble',
    describe: 'ZooKeeper is away for everybody for a while',
    plot: (cast) => passing(cast, 4, ['store down', 'store up'], null),
  },
  {
    name: 'leader',
    kind: 'trouble',
    describe: "ZooKeeper's leader dies; the others elect for 0.2 to 10 s",
    lacks: (own) => (zookeepersOf(own) < 3 ? 'it needs at least 3 ZooKeeper servers' : null),
    plot({ chance }) {
      const lastsMs = Math.round(chance.between(200, 10_000));
      return { steps: now(`zookeeper elects ${lastsMs}ms`), victim: null, lastsMs };
    },
  },
  {
    name: 'half',
    kind: 'trouble',
    describe: 'half of the nodes lose their network for a while',
    lacks: needsThree,
    plot(cast) {
      const lastsMs = whileOf(cast, 4);
      const half = cast.names.slice(-Math.ceil(cast.names.length / 2));
      const steps = now(...half.map((name) => `cut ${name} --all`));
      return { steps: [...steps, { atMs: lastsMs, command: 'heal' }], victim: null, lastsMs };
    },
  },
  {
    name: 'random',
    kind: 'random',
    describe: '3 to 12 faults and orders by chance, one into the other; then all is repaired',
    plot({ chance, config, names }) {
      const seed = Math.floor(chance.fraction() * 0x1_0000_0000);
      const has = { zookeepers: zookeepersOf({ config }), vms: config.vms.enabled };
      // The plans are made for a beat of one second.
      const scale = Math.max(1, config.keepalive.interval / 1000);
      const steps = troublesOf(seed, names, has).map(({ atMs, command }) => ({ atMs: atMs * scale, command }));
      return { steps, victim: null, lastsMs: steps.at(-1)?.atMs ?? 0 };
    },
  },
];

/** A person's own story, in the words of test/scenarios. */
export function ownSituation(name: string, steps: readonly StoryStep[], untilMs: number): Situation {
  const plot = () => ({ steps, victim: null, lastsMs: untilMs });
  return { name, kind: 'story', describe: 'your story', plot };
}
