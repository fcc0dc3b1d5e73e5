/**
 * Life after a lost quorum: while the store is away for long, this node asks the other coordinators over the API and the
 * missing ones' devices, and powers one on when it is its turn (core/quorum-recovery.ts). Nothing else is ever ordered here.
 * What it knows of its peers it also keeps on its disk, so that it works for a noded that was started without a store.
 */
import { inWords } from '../core/decision.ts';
import { judgeQuorum, powerByLevels } from '../core/quorum-recovery.ts';
import type { OtherCoordinator } from '../core/quorum-recovery.ts';
import type { PowerReading } from '../environment/power.ts';
import type { QuorumView } from '../records/api.ts';
import { knownFile, parseKnown, printKnown } from '../records/known.ts';
import type { FenceDevice } from '../records/device.ts';
import { whereIs } from '../records/device.ts';
import type { Registration } from '../records/registration.ts';
import { printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { askAboutStore } from './ask-by-name.ts';
import { Bell } from './bell.ts';
import type { Context } from './context.ts';
import { openDevices } from './fencing/devices.ts';
import { notForeign, readOwn } from './fencing/whose.ts';
import { readFence } from './fencing/fence-file.ts';
import { readMaintenance } from './maintenance.ts';
import { lookAtOwnApiAddress } from './own-api-address.ts';
import type { Peers } from './peers.ts';
import { isSameList } from './peers.ts';

/** Between two looks while the store is away, and at who has joined while it is there. */
const lookMs = 2000;
/** While it is there its going rings. */
const calmLookMs = 15_000;
const apiDeadlineMs = 1500;
/** After a machine was powered on it gets this long to boot and to join before the next one is. */
const cooldownMs = 120_000;
/** How often what is known of the peers is written to the disk, if it has changed. */
const keepMs = 30_000;

export class QuorumLoop {
  private readonly context: Context;
  private readonly peers: Peers;
  private recalling: Promise<readonly Registration[]> | null = null;
  private awaySinceMs: number | null = null;
  /** Whether this life has reached the store. */
  private wasThere = false;
  private lastPowerOnMs = -Infinity;
  private kept = '';
  private keptAtMs = -Infinity;
  private keptNames: ReadonlySet<string> = new Set();
  /** What the last text was printed from: the same needs no new one. */
  private keptFrom: { readonly mark: string; readonly registrations: readonly Registration[] } = {
    mark: '',
    registrations: [],
  };
  private excused: Readonly<Record<string, string>> = {};
  /** Whose excuse is only that it was seen stopped: it ends when it was seen started since. */
  private stopped = new Set<string>();
  private told = '';
  private others: readonly OtherCoordinator[] = [];
  private readonly bell: Bell;
  /** An excuse has changed since it was read, or may have: watches end with their connection. */
  private mustRead = true;
  private readonly onExcuse = () => {
    this.mustRead = true;
    this.bell.ring();
  };
  private doing = 'the store is there';

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.peers = peers;
    this.bell = new Bell(context.env.clock, context.duties);
  }

  async run(): Promise<void> {
    const { env, duties } = this.context;
    await this.recalled();
    const { bell } = this;
    const stopListening = env.store.onSession(this.onExcuse);
    while (!duties.aborted) {
      bell.listen();
      const nowMs = env.clock.monotonicMs();
      const isThere = env.store.session().state === 'connected';
      if (isThere) await this.storeThere(nowMs);
      else await this.storeAway(nowMs);
      if (isThere) await this.calm(bell);
      else await bell.wait(lookMs);
    }
    stopListening();
  }

  /**
   * Until something rings, or the calm is over. Who joins meanwhile is kept, for after a restore of an older copy nobody else may know it;
   * and who is removed is forgotten, for nobody shall wait for it then.
   */
  private async calm(bell: Bell): Promise<void> {
    const { clock } = this.context.env;
    const endMs = clock.monotonicMs() + calmLookMs;
    for (;;) {
      const nextMs = Math.min(clock.monotonicMs() + lookMs, endMs);
      await bell.wait(nextMs - clock.monotonicMs());
      if (clock.monotonicMs() < nextMs || nextMs === endMs) return;
      if (this.mustRead && this.peers.all().length > 0) return; // a life that has just started knew nobody to ask about
      const registered = this.peers.all();
      const isKept =
        registered.length === this.keptNames.size && registered.every(({ name }) => this.keptNames.has(name));
      if (!isKept) await this.keep();
    }
  }

  /** For nodectl, which may have nobody else to ask. */
  view(): QuorumView {
    const { env, self, board } = this.context;
    const nowMs = env.clock.monotonicMs();
    return {
      node: self.name,
      storeLive: env.store.session().state === 'connected',
      awayMs: this.awaySinceMs === null ? 0 : Math.round(nowMs - this.awaySinceMs),
      doing: this.doing,
      refused: [...board.refusedServers].map(([server, refusal]) => ({ server, ...refusal })),
      others: this.others.map((other) => ({ ...other })),
      known: this.peers.all().map(({ name, role, apiAddress }) => {
        const seen = board.lastSeen.get(name);
        const view = board.peers.get(name);
        return {
          name,
          role,
          apiAddress,
          last: view === undefined ? 'nothing is known' : `${view.verdict}: ${view.because}`,
          ageMs: seen === undefined ? null : Math.round(nowMs - seen.atMs),
        };
      }),
    };
  }

  private async storeThere(nowMs: number): Promise<void> {
    const { history, self } = this.context;
    lookAtOwnApiAddress(this.context, this.peers);
    if (this.told !== '') {
      const because = `the store is back after ${inWords(nowMs - (this.awaySinceMs ?? nowMs))}`;
      history.happened('quorum', `${self.name}: ${because}`, { node: self.name });
    }
    this.wasThere = true;
    this.awaySinceMs = null;
    this.told = '';
    this.others = [];
    this.doing = 'the store is there';
    if (!this.mustRead && nowMs - this.keptAtMs < keepMs) return;
    this.keptAtMs = nowMs;
    await this.keepExcused();
  }

  private async storeAway(nowMs: number): Promise<void> {
    const { env, self, config } = this.context;
    this.awaySinceMs ??= nowMs;
    if (self.role !== 'coordinator') {
      this.doing = 'the coordinators look for a quorum; a worker powers nothing on';
      return;
    }
    this.forgetStopped();
    const { timing, fencing } = config;
    const patienceMs = timing.sessionTimeoutMs + timing.detectionMs;
    const awayMs = nowMs - this.awaySinceMs;
    if (awayMs >= patienceMs) this.others = await this.askOthers();
    const decision = judgeQuorum({
      self: self.name,
      enabled: fencing.quorumRecovery === 'power-on',
      awayMs,
      patienceMs,
      others: this.others,
      sinceLastMs: env.clock.monotonicMs() - this.lastPowerOnMs,
      cooldownMs,
      startedWithout: !this.wasThere,
    });
    this.doing = decision.because;
    const target = decision.evidence['node'];
    if (awayMs >= patienceMs) this.tell(decision.because, typeof target === 'string' ? target : '');
    if (decision.verdict === 'power-on' && typeof target === 'string') await this.powerOn(target);
  }

  /** Excuses are kept every half minute; a node may have been started again after that. */
  private forgetStopped(): void {
    for (const name of this.stopped) {
      const view = this.context.board.peers.get(name);
      if (view === undefined || view.verdict === 'stopped') continue;
      this.stopped.delete(name);
      this.excused = Object.fromEntries(Object.entries(this.excused).filter(([excused]) => excused !== name));
    }
  }

  private tell(because: string, target: string): void {
    const mark = `${this.others.map((other) => `${other.name} ${other.answer} ${other.power}`).join(',')} ${target}`;
    if (mark === this.told) return;
    this.told = mark;
    this.context.history.happened('quorum', `${this.context.self.name}: ${because}`, { node: this.context.self.name });
  }

  private async askOthers(): Promise<OtherCoordinator[]> {
    const { self } = this.context;
    const others = this.peers.all().filter((peer) => peer.role === 'coordinator' && peer.name !== self.name);
    return Promise.all(
      others.map(async (peer) => {
        const asked = await askAboutStore(this.context, peer, apiDeadlineMs);
        const view = this.context.board.peers.get(peer.name);
        const excused = view?.verdict === 'stopped' ? view.because : (this.excused[peer.name] ?? null);
        if (asked.ok)
          return {
            name: peer.name,
            answer: asked.answer.storeLive ? 'store-there' : 'store-away',
            excused,
            power: 'unknown',
          };
        return {
          name: peer.name,
          answer: 'nothing',
          excused,
          power: excused === null ? await this.powerOf(peer) : 'unknown',
        };
      }),
    );
  }

  private async powerOf(peer: Registration): Promise<PowerReading['power']> {
    const readings = await Promise.all(
      this.ownDevices(peer).map(async (device) => {
        const { power } = await readOwn(this.context, peer.name, device);
        return [device.name, power] as const;
      }),
    );
    return powerByLevels(peer.levels, new Map(readings));
  }

  /** What nothing is known against that would make a reading wrong, or its command another machine's. */
  private ownDevices(peer: Registration): FenceDevice[] {
    const opened = openDevices(this.context.env.secrets, peer, peer.name);
    if (!opened.ok) return [];
    const places = opened.value.map((device) => ({ device: device.name, where: whereIs(device) }));
    const standings = this.context.devices.rememberedStandings(peer.name, places);
    return opened.value.filter((device) => standings.get(device.name)?.use !== 'never');
  }

  /** Never anything but power on. */
  private async powerOn(target: string): Promise<void> {
    const { env, history, self } = this.context;
    this.lastPowerOnMs = env.clock.monotonicMs();
    const peer = this.peers.get(target);
    const own = peer === null ? [] : await notForeign(this.context, target, this.ownDevices(peer));
    for (const device of own) {
      const answer = await env.power.order(device, 'on', device.commandTimeoutMs);
      const because = `${self.name} powers ${target} on without a quorum, by ${device.name}: ${answer.because}`;
      history.happened('power-on', because, { node: target });
    }
  }

  /** Excuses are read when they change: the quorum may be lost a moment after an operator has declared a maintenance. */
  private async keepExcused(): Promise<void> {
    const registrations = this.peers.all();
    if (registrations.length === 0) return;
    this.mustRead = false;
    const excused = await this.excuses(registrations);
    if (excused === null) {
      this.mustRead = true;
      return;
    }
    this.excused = excused;
    await this.keep();
  }

  /** Writes what is known of the peers to the disk, when it has changed. */
  private async keep(): Promise<void> {
    const { env } = this.context;
    const registrations = this.peers.all();
    this.keptNames = new Set(registrations.map(({ name }) => name));
    if (registrations.length === 0) return;
    const { excused } = this;
    const devices = this.context.devices.allRemembered();
    const mark = printRecord({ excused, devices });
    if (mark === this.keptFrom.mark && isSameList(registrations, this.keptFrom.registrations)) return;
    this.keptFrom = { mark, registrations };
    const { text, left } = printKnown(registrations, excused, devices);
    if (text === this.kept) return;
    if (left.length > 0) {
      const because = `${knownFile} has no room for ${left.length} of ${registrations.length} nodes (${left.slice(0, 5).join(', ')} ...)`;
      env.log.warn('not all peers are kept on the disk', { because });
    }
    const trouble = await env.journal.write(knownFile, text);
    if (trouble === null) this.kept = text;
    else {
      this.keptFrom = { mark: '', registrations: [] };
      env.log.warn('what is known of the peers was not kept', { because: trouble });
    }
  }

  /** Who is away on purpose, and why; null: the store did not answer. */
  private async excuses(registrations: readonly Registration[]): Promise<Record<string, string> | null> {
    const { context } = this;
    const found: Record<string, string> = {};
    const stopped = new Set<string>();
    const [cluster, declared] = await Promise.all([
      readMaintenance(context, tree.maintenance, this.onExcuse),
      context.env.store.list(tree.maintenance, this.onExcuse),
    ]);
    if (cluster === null || !declared.ok) return null;
    for (const { name } of registrations.filter((peer) => peer.role === 'coordinator')) {
      const [own, fence] = await Promise.all([
        readMaintenance(context, tree.nodeMaintenance(name), this.onExcuse),
        readFence(context, name, this.onExcuse),
      ]);
      if (own === null || fence === null) return null;
      const view = context.board.peers.get(name);
      const { state, action, level, reason } = fence.record;
      if (cluster.reason !== null) found[name] = `the cluster is in maintenance: ${cluster.reason}`;
      else if (own.reason !== null) found[name] = `it is in maintenance: ${own.reason}`;
      else if (view?.verdict === 'stopped') {
        found[name] = view.because;
        stopped.add(name);
      } else if (state === 'finished' && (action === 'off' || level === 'manual'))
        found[name] = `it was switched off on purpose: ${reason}`;
    }
    this.stopped = stopped;
    return found;
  }

  /** What this machine has kept of the nodes on its disk; none: it has nothing, or does not answer. */
  recalled(): Promise<readonly Registration[]> {
    this.recalling ??= this.recall();
    return this.recalling;
  }

  private async recall(): Promise<readonly Registration[]> {
    const { env } = this.context;
    const text = await env.journal.read(knownFile);
    if (text === null) return [];
    const parsed = parseKnown(text);
    if (!parsed.ok) {
      env.log.warn('what was kept of the peers cannot be read', { because: parsed.because });
      return [];
    }
    this.kept = text;
    this.excused = parsed.record.excused;
    this.peers.recall(parsed.record.registrations);
    this.context.devices.recall(parsed.record.devices);
    return parsed.record.registrations;
  }
}
