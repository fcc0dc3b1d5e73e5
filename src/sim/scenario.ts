/**
 * The words of a story, as people write them and as the simulator carries them out: "power node2 off", "store down",
 * "bmc node2 stuck". The same words as scripts/lab, where both can do the same.
 */
import { parseDuration } from '../config/duration.ts';
import { bmcModes } from './bmc.ts';
import { killGuard, runUnderRole } from './bound-command.ts';
import type { BmcMode } from './bmc.ts';
import type { ServerMode } from './ensemble.ts';
import type { ResourceMode } from './resources.ts';
import { drainVerb, guestVerb, libvirtVerb, readSimVm, vmVerb } from './vm-story.ts';
import { cancelVerb, clearVerb, confirmVerb, removeVerb, withdrawVerb, repair } from './repair.ts';
import type { World } from './world.ts';

export interface StoryStep {
  /** Virtual ms since the beginning. */
  readonly atMs: number;
  readonly command: string;
}

type Verb = (world: World, words: readonly string[]) => void;

const electionTime = '400ms';
const serverModes: readonly ServerMode[] = ['up', 'killed', 'frozen', 'stale'];

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
  /** bmc NODE MODE|slow=DURATION|restart=DURATION (no answer, then off for a minute)|is OTHER (its address leads to OTHER's). */
  bmc(world, [node = '', mode = '', other = '']) {
    const slow = /^slow=(.+)$/.exec(mode)?.[1];
    world.bmc(node).firstAskedMs = null;
    const restart = /^restart=(.+)$/.exec(mode)?.[1];
    if (restart !== undefined) world.bmc(node).restartUntilMs = world.time.nowMs + (parseDuration(restart) ?? 0);
    else if (mode === 'is') world.bmc(node).leadsTo = other === node ? null : world.bmc(other);
    else if (slow !== undefined) world.bmc(node).slowMs = parseDuration(slow) ?? 0;
    else if ((bmcModes as readonly string[]).includes(mode)) world.bmc(node).mode = mode as BmcMode;
    else throw new Error(`bmc NODE ${bmcModes.join('|')}|slow=DURATION|restart=DURATION|is OTHER`);
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
  /**
   * store up | down | clock fast|slow DURATION (of the server that leads) | wiped (rebuilt from nothing) | copy NAME | restore NAME [refusing]: as it was at the copy, with its locks and
   * sessions; `refusing`: clients that have seen more are refused
   */
  store(world, [state, name = '', how]) {
    if (state === 'clock') world.ensemble.setClockError((name === 'slow' ? -1 : 1) * (parseDuration(how ?? '') ?? 0));
    else if (state === 'wiped') world.ensemble.wipe();
    else if (state === 'copy') world.ensemble.copy(name);
    else if (state === 'restore') world.ensemble.restore(name, how === 'refusing');
    else world.ensemble.setAvailable(state === 'up');
  },
  /** Who asked for fences with nodectl has gone away. */
  'nodectl-ends': (world) => world.ensemble.closeRequests(),
  /**
   * zookeeper N|leader|all up|killed|frozen|stale|slow=DURATION; zookeeper elects [DURATION]; zookeeper N|all forgets PATH (its last change)|lacks PATH (a branch);
   * zookeeper N|all alone [empty|copy] [silent]: a standalone server of its own, which may not answer srvr
   */
  zookeeper(world, [which = '', mode = '', path = '', ...more]) {
    const { ensemble } = world;
    if (mode === 'alone') {
      const how = { copy: path === 'copy', tellsMode: ![path, ...more].includes('silent') };
      for (const number of which === 'all' ? ensemble.servers.keys() : [Number(which) - 1])
        ensemble.setAlone(number + 1, how);
      return;
    }
    if (mode === 'forgets' || mode === 'lacks') {
      const meant = ensemble.servers.filter((_, index) => which === 'all' || index + 1 === Number(which));
      for (const server of meant) {
        if (mode === 'lacks') server.lose(path);
        else server.forget(path);
      }
      return;
    }
    if (which === 'elects') {
      ensemble.changeLeader(parseDuration(mode === '' ? electionTime : mode) ?? 0);
      return;
    }
    if (which === 'all') {
      for (const number of ensemble.servers.keys()) obey(world, `zookeeper ${number + 1} ${mode}`);
      return;
    }
    const number = which === 'leader' ? ensemble.leaderNumber() : Number(which);
    const slow = /^slow=(.+)$/.exec(mode)?.[1];
    const server = ensemble.servers[number - 1];
    if (server !== undefined && slow !== undefined) server.slowMs = parseDuration(slow) ?? 0;
    else if ((serverModes as readonly string[]).includes(mode))
      ensemble.setServer(number, mode as ServerMode, parseDuration(electionTime) ?? 0);
    else
      throw new Error(
        `zookeeper N|leader|all ${serverModes.join('|')}|slow=DURATION, zookeeper elects [DURATION], zookeeper N|all forgets|lacks PATH, or zookeeper N|all alone [empty|copy] [silent]`,
      );
  },
  /** The node's next write is done, and its answer is lost with the connection. */
  'lose-answer': (world, [node = '']) => void world.losingAnswer.add(world.machine(node).name),
  /** keepalive NODE refused|accepted: the store refuses its keepalive (a changed ACL), and nothing else. */
  keepalive(world, [node = '', state]) {
    const { name } = world.machine(node);
    if (state === 'accepted') world.refusingKeepalive.delete(name);
    else if (state === 'refused') world.refusingKeepalive.add(name);
    else throw new Error('keepalive NODE refused|accepted');
  },
  /** api NODE leads-to OTHER|self [ASKER] | replays | ok: who is reached at the API address of NODE, by every node or by ASKER. */
  api(world, [node = '', state, to = '', asker]) {
    const { name } = world.machine(node);
    if (state === 'leads-to') world.addresses.lead(name, to === 'self' ? to : world.machine(to).name, asker);
    else if (state === 'replays') world.addresses.replay(name);
    else if (state === 'ok') world.addresses.repair(name);
    else throw new Error('api NODE leads-to OTHER|self [ASKER], api NODE replays, or api NODE ok');
  },
  /** wall-clock NODE DURATION: it is wrong by that much from now on, in front of or (-DURATION) behind the others. */
  'wall-clock'(world, [node = '', skew = '']) {
    const ms = parseDuration(skew.replace(/^-/, ''));
    if (ms === null) throw new Error('wall-clock NODE [-]DURATION');
    world.machine(node).setWallSkew(skew.startsWith('-') ? -ms : ms);
  },
  /** The machine sleeps (suspend to RAM), and wakes up. */
  suspend(world, [node = '']) {
    const { process, guards } = world.machine(node);
    for (const one of [process, ...guards.values()]) one?.suspend();
  },
  resume(world, [node = '']) {
    const { process, guards } = world.machine(node);
    for (const one of [process, ...guards.values()]) one?.resume();
  },
  /** All faults are taken away: the store, the network, the devices, every machine and its noded. */
  repair: (world) => repair(world),
  hang: (world, [node = '', subsystem = '']) => void world.hanging.add(`${node} ${subsystem}`),
  unhang: (world, [node = '', subsystem = '']) => void world.hanging.delete(`${node} ${subsystem}`),
  /** A hand with zkCli: any text anywhere. */
  vandalise: (world, [path = '', ...text]) => world.ensemble.vandalise(path, text.join(' ')),
  /** A record that no read of it is answered for; readable PATH ends that. */
  unreadable: (world, [path = '']) => void world.ensemble.unreadable.add(path),
  readable: (world, [path = '']) => void world.ensemble.unreadable.delete(path),
  /** fence NODE [reboot|off] [--device-is-right] */
  fence(world, [node = '', action = 'reboot', ...flags]) {
    const deviceIsRight = flags.includes('--device-is-right');
    const request = {
      schema: 1,
      kind: 'fence',
      node,
      action,
      by: 'operator',
      reason: 'story',
      deviceIsRight,
      refusal: null,
    };
    world.ensemble.create(world.operatorSession, '/requests/r-', JSON.stringify(request), 'ephemeral-sequential');
  },
  remove: removeVerb,
  confirm: confirmVerb,
  /** clear NODE: as `nodectl fence clear NODE`. */
  clear: clearVerb,
  /** cancel NODE: as `nodectl fence cancel NODE`. */
  cancel: cancelVerb,
  /** withdraw NODE: Ctrl-C of every operator who waits for a fence of NODE. */
  withdraw: withdrawVerb,
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
  /** command NODE|all run NAME: as `nodectl primary run -- NAME`, which waits for the role; command NODE guard NAME frozen|ok|killed */
  command(world, [node = '', what = '', name = '', state = '']) {
    const nodes = node === 'all' ? [...world.machines.keys()] : [node];
    for (const one of nodes) {
      const { guards } = world.machine(one);
      if (what === 'run') runUnderRole(world, one, name);
      else if (what === 'guard' && state === 'killed') killGuard(world, one, name);
      else if (what === 'guard' && state === 'frozen') guards.get(name)?.freeze();
      else if (what === 'guard' && state === 'ok') guards.get(name)?.thaw();
      else throw new Error('command NODE|all run NAME, or command NODE|all guard NAME frozen|ok|killed');
    }
  },
  /** watchdog NODE stands-still (while its machine sleeps) | counts=DURATION: from the next start of its noded on. */
  watchdog(world, [node = '', kind = '']) {
    const counts = parseDuration(/^counts=(.+)$/.exec(kind)?.[1] ?? '');
    if (kind !== 'stands-still' && counts === null) throw new Error('watchdog NODE stands-still|counts=DURATION');
    const before = world.watchdogKinds.get(world.machine(node).name) ?? {};
    world.watchdogKinds.set(node, { ...before, ...(counts === null ? { standsStill: true } : { countsMs: counts }) });
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
  /**
   * replace NODE: other hardware gets its name, its configuration and its BMC address, and is powered on; the old machine stays as it is.
   * replace NODE old-off: the old one loses its power.
   */
  replace(world, [node = '', how]) {
    if (how !== 'old-off') world.replaceMachine(node);
    else for (const machine of world.replaced) if (machine.name === node) machine.powerOff();
  },
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

export const storyVerbs: readonly string[] = Object.keys(verbs);

function mark(world: World, node: string, left: boolean): void {
  const record = { schema: 1, left, by: 'operator', reason: 'story', sinceWallMs: 0 };
  world.ensemble.vandalise(`/nodes/${node}/left`, JSON.stringify(record));
}

/**
 * Stories need not guess who it will be: FENCER is who began, went on with, or recorded a fence last, PRIMARY whom the record names, HOME-vm1
 * where vm1 is, TARGET-vm1 where it is going (or is).
 */
function meant(world: World, word: string): string {
  if (word === 'FENCER')
    return (
      world.trace.lines.findLast(({ event }) => /(^|: )(fence-(intent|resumed)|fenced)$/.test(event))?.node ?? word
    );
  const [, side, vm] = /^(HOME|TARGET)-(.+)$/.exec(word) ?? [];
  if (vm !== undefined) {
    const record = readSimVm(world, vm);
    return (side === 'TARGET' ? record?.move?.target : null) ?? record?.node ?? word;
  }
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
  const nobody = words.find((word) => /^(PRIMARY|FENCER|(HOME|TARGET)-.+)$/.test(word));
  if (nobody === undefined) act(world, words);
  else world.trace.line('story', `${nobody} is nobody`, '');
}
