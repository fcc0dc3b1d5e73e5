/**
 * The words of a story, as people write them and as the simulator carries them out: "power node2 off", "store down",
 * "bmc node2 stuck". The same words as scripts/lab, where both can do the same.
 */
import { parseDuration } from '../config/duration.ts';
import type { BmcMode } from './bmc.ts';
import type { ResourceMode } from './resources.ts';
import { drainVerb, guestVerb, libvirtVerb, vmVerb } from './vm-story.ts';
import type { World } from './world.ts';

export interface StoryStep {
  /** Virtual ms since the beginning. */
  readonly atMs: number;
  readonly command: string;
}

export interface Story {
  readonly steps: readonly StoryStep[];
  readonly untilMs: number;
}

/** Runs a story in a world whose machines are powered on at time 0. */
export async function runStory(world: World, story: Story): Promise<void> {
  world.powerAll();
  for (const step of [...story.steps].sort((a, b) => a.atMs - b.atMs)) {
    await world.time.runUntil(step.atMs);
    world.trace.line('story', step.command, '');
    obey(world, step.command);
  }
  await world.time.runUntil(story.untilMs);
}

type Verb = (world: World, words: readonly string[]) => void;

const bmcModes: readonly BmcMode[] = ['ok', 'down', 'badpass', 'user-level', 'stuck', 'lies-off', 'nonsense'];

const verbs: Readonly<Record<string, Verb>> = {
  power(world, [node = '', state]) {
    if (state === 'on') world.machine(node).powerOn();
    else if (state === 'off') world.machine(node).powerOff();
    else throw new Error('power NODE on|off');
  },
  freeze: (world, [node = '']) => world.machine(node).process?.freeze(),
  thaw: (world, [node = '']) => world.machine(node).process?.thaw(),
  kill: (world, [node = '']) => world.machine(node).killNoded(),
  stop: (world, [node = '']) => world.stopNoded(node),
  start: (world, [node = '']) => world.machine(node).startNoded(),
  bmc(world, [node = '', mode = '']) {
    const slow = /^slow=(.+)$/.exec(mode)?.[1];
    if (slow !== undefined) world.bmc(node).slowMs = parseDuration(slow) ?? 0;
    else if ((bmcModes as readonly string[]).includes(mode)) world.bmc(node).mode = mode as BmcMode;
    else throw new Error(`bmc NODE ${bmcModes.join('|')}|slow=DURATION`);
  },
  cut(world, [node = '', what]) {
    world.machine(node);
    const cuts: Readonly<Record<string, Set<string>[] | undefined>> = {
      '--bmc': [world.cutFromBmcs],
      '--peers': [world.cutFromPeers],
      '--all': [world.cutFromBmcs, world.cutFromPeers, world.cutFromStore],
    };
    for (const cut of cuts[what ?? ''] ?? [world.cutFromStore]) cut.add(node);
  },
  heal(world, [node]) {
    for (const cut of [world.cutFromStore, world.cutFromBmcs, world.cutFromPeers]) {
      if (node === undefined) cut.clear();
      else cut.delete(node);
    }
  },
  /** store up | down | wiped (rebuilt from nothing) */
  store(world, [state]) {
    if (state === 'wiped') world.ensemble.wipe();
    else world.ensemble.setAvailable(state === 'up');
  },
  hang: (world, [node = '', subsystem = '']) => void world.hanging.add(`${node} ${subsystem}`),
  unhang: (world, [node = '', subsystem = '']) => void world.hanging.delete(`${node} ${subsystem}`),
  /** A hand with zkCli: any text anywhere. */
  vandalise: (world, [path = '', ...text]) => world.ensemble.vandalise(path, text.join(' ')),
  fence(world, [node = '', action = 'reboot']) {
    const request = { schema: 1, kind: 'fence', node, action, by: 'operator', reason: 'story', refusal: null };
    world.ensemble.create(world.operatorSession, '/requests/r-', JSON.stringify(request), 'ephemeral-sequential');
  },
  /** transfer FROM TO|- [EPOCH]: as `nodectl primary takeover --node TO` or `relinquish` asks of the holder FROM. */
  transfer(world, [from = '', to = '-', epoch]) {
    const agent = world.agents.get(from);
    const known = world.ensemble.read('/primary');
    const record = {
      schema: 1,
      state: 'asked',
      from,
      fromIncarnation: agent?.identity.incarnation ?? '?',
      to: to === '-' ? null : to,
      toIncarnation: null,
      by: 'operator',
      reason: 'story',
      epoch:
        epoch === undefined
          ? known.ok && known.value.text !== ''
            ? (JSON.parse(known.value.text) as { epoch: number }).epoch
            : 0
          : Number(epoch),
      sequenceSeen: agent?.board.lastBeat?.sequence ?? 0,
      goodForMs: 30_000,
      mayReturn: true,
      steps: [],
      stoppedForMs: {},
      awayMs: {},
    };
    world.ensemble.create('', '/transfers/t-', JSON.stringify(record), 'persistent-sequential');
  },
  /** resource NODE RESOURCE|hook-KIND MODE; or `die`: it ends by itself, now. */
  resource(world, [node = '', what = '', mode = 'ok']) {
    if (mode !== 'die') world.resourceModes.set(`${node} ${what}`, mode as ResourceMode);
    else if (world.machine(node).running.delete(what)) world.trace.line(node, `${what} is stopped`, 'by itself');
  },
  /** Its watchdog device does not exist; its reset command does nothing. */
  'without-watchdog': (world, [node = '']) => void world.withoutWatchdog.add(node),
  'without-reset': (world, [node = '']) => void world.withoutReset.add(node),
  vm: vmVerb,
  guest: guestVerb,
  libvirt: libvirtVerb,
  drain: drainVerb,
  leave: (world, [node = '']) => mark(world, node, true),
  join: (world, [node = '']) => mark(world, node, false),
  /** maintenance NODE|cluster REASON... [for=DURATION] | NODE off | off */
  maintenance(world, [what = '', ...words]) {
    const limit = words.map((word) => /^for=(.+)$/.exec(word)?.[1]).find((found) => found !== undefined);
    const reason = words.filter((word) => !word.startsWith('for='));
    const path = what === 'cluster' || what === 'off' ? '/maintenance' : `/maintenance/${what}`;
    const on = what !== 'off' && reason[0] !== 'off';
    const record = {
      schema: 1,
      on,
      by: 'operator',
      reason: reason.join(' '),
      sinceWallMs: 0,
      forMs: limit === undefined ? null : parseDuration(limit),
      keepsRole: false,
    };
    world.ensemble.vandalise(path, JSON.stringify(record));
  },
};

function mark(world: World, node: string, left: boolean): void {
  const record = { schema: 1, left, by: 'operator', reason: 'story', sinceWallMs: 0 };
  world.ensemble.vandalise(`/nodes/${node}/left`, JSON.stringify(record));
}

/** FENCER is who wrote the newest intent, PRIMARY whom the record names: stories need not guess who it will be. */
function meant(world: World, word: string): string {
  if (word === 'FENCER') return world.trace.of('fence-intent').at(-1)?.node ?? word;
  if (word !== 'PRIMARY') return word;
  const read = world.ensemble.read('/primary');
  const text = read.ok ? read.value.text : '';
  return text === '' ? word : ((JSON.parse(text) as { holder: string | null }).holder ?? word);
}

/** Carries out one command; throws on words that it does not know. */
export function obey(world: World, command: string): void {
  const [verb = '', ...written] = command.trim().split(/\s+/);
  const words = written.map((word) => meant(world, word));
  const act = verbs[verb];
  if (act === undefined)
    throw new Error(`the simulator does not know "${verb}"; it knows ${Object.keys(verbs).join(', ')}`);
  act(world, words);
}
