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
import { KnownPeers, knownFile } from '../records/known.ts';
import type { Registration } from '../records/registration.ts';
import { parseRecord, printRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import { Bell } from './bell.ts';
import type { Context } from './context.ts';
import { openDevices } from './fencing/devices.ts';
import { readFence } from './fencing/fence-file.ts';
import { readMaintenance } from './maintenance.ts';
import type { Peers } from './peers.ts';
import { isSameList } from './peers.ts';

/** Between two looks while the store is away. */
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
  private awaySinceMs: number | null = null;
  /** Whether this life has reached the store. */
  private wasThere = false;
  private lastPowerOnMs = -Infinity;
  private kept = '';
  private keptAtMs = -Infinity;
  /** What the last text was printed from: the same needs no new one. */
  private keptFrom: { readonly mark: string; readonly registrations: readonly Registration[] } = {
    mark: '',
    registrations: [],
  };
  private excused: Readonly<Record<string, string>> = {};
  private told = '';
  private others: readonly OtherCoordinator[] = [];
  private doing = 'the store is there';

  constructor(context: Context, peers: Peers) {
    this.context = context;
    this.peers = peers;
  }

  async run(): Promise<void> {
    const { env, duties } = this.context;
    await this.recall();
    const bell = new Bell(env.clock, duties);
    const stopListening = env.store.onSession(bell.ring);
    while (!duties.aborted) {
      bell.listen();
      const nowMs = env.clock.monotonicMs();
      const isThere = env.store.session().state === 'connected';
      if (isThere) await this.storeThere(nowMs);
      else await this.storeAway(nowMs);
      await bell.wait(isThere ? calmLookMs : lookMs);
    }
    stopListening();
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
    if (this.told !== '') {
      const because = `the store is back after ${inWords(nowMs - (this.awaySinceMs ?? nowMs))}`;
      history.happened('quorum', `${self.name}: ${because}`, { node: self.name });
    }
    this.wasThere = true;
    this.awaySinceMs = null;
    this.told = '';
    this.others = [];
    this.doing = 'the store is there';
    if (nowMs - this.keptAtMs < keepMs) return;
    this.keptAtMs = nowMs;
    await this.keep();
  }

  private async storeAway(nowMs: number): Promise<void> {
    const { env, self, config } = this.context;
    this.awaySinceMs ??= nowMs;
    const { timing, fencing } = config;
    const patienceMs = timing.sessionTimeoutMs + timing.detectionMs;
    const awayMs = nowMs - this.awaySinceMs;
    if (self.role === 'coordinator' && awayMs >= patienceMs) this.others = await this.askOthers();
    const decision = judgeQuorum({
      self: self.name,
      enabled: fencing.quorumRecovery === 'power-on' && self.role === 'coordinator',
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

  private tell(because: string, target: string): void {
    const mark = `${this.others.map((other) => `${other.name} ${other.answer} ${other.power}`).join(',')} ${target}`;
    if (mark === this.told) return;
    this.told = mark;
    this.context.history.happened('quorum', `${this.context.self.name}: ${because}`, { node: this.context.self.name });
  }

  private async askOthers(): Promise<OtherCoordinator[]> {
    const { env, self } = this.context;
    const others = this.peers.all().filter((peer) => peer.role === 'coordinator' && peer.name !== self.name);
    return Promise.all(
      others.map(async (peer) => {
        const asked =
          peer.apiAddress === null
            ? null
            : await env.peerApi.ask<'quorum'>(peer.apiAddress, { kind: 'quorum' }, apiDeadlineMs);
        const excused = this.excused[peer.name] ?? null;
        if (asked?.ok === true)
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
    const { env } = this.context;
    const devices = openDevices(env.secrets, peer, peer.name);
    if (!devices.ok) return 'unknown';
    const readings = await Promise.all(
      devices.value.map(async (device) => {
        const { power } = await env.power.read(device, device.commandTimeoutMs);
        return [device.name, power] as const;
      }),
    );
    return powerByLevels(peer.levels, new Map(readings));
  }

  /** Never anything but power on. */
  private async powerOn(target: string): Promise<void> {
    const { env, history, self } = this.context;
    this.lastPowerOnMs = env.clock.monotonicMs();
    const devices = openDevices(env.secrets, this.peers.get(target), target);
    if (!devices.ok) return;
    for (const device of devices.value) {
      const answer = await env.power.order(device, 'on', device.commandTimeoutMs);
      const because = `${self.name} powers ${target} on without a quorum, by ${device.name}: ${answer.because}`;
      history.happened('power-on', because, { node: target });
    }
  }

  /** Writes what is known of the peers to the disk, when it has changed. */
  private async keep(): Promise<void> {
    const { env } = this.context;
    const registrations = this.peers.all();
    if (registrations.length === 0) return;
    const excused = await this.excuses(registrations);
    if (excused === null) return;
    this.excused = excused;
    const mark = printRecord(excused);
    if (mark === this.keptFrom.mark && isSameList(registrations, this.keptFrom.registrations)) return;
    this.keptFrom = { mark, registrations };
    const text = printRecord({ schema: 1, registrations, excused: this.excused } satisfies KnownPeers);
    if (text === this.kept) return;
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
    const cluster = await readMaintenance(context, tree.maintenance);
    if (cluster === null) return null;
    for (const { name } of registrations.filter((peer) => peer.role === 'coordinator')) {
      const [own, fence] = await Promise.all([
        readMaintenance(context, tree.nodeMaintenance(name)),
        readFence(context, name),
      ]);
      if (own === null || fence === null) return null;
      const view = context.board.peers.get(name);
      const { state, action, reason } = fence.record;
      if (cluster.reason !== null) found[name] = `the cluster is in maintenance: ${cluster.reason}`;
      else if (own.reason !== null) found[name] = `it is in maintenance: ${own.reason}`;
      else if (view?.verdict === 'stopped') found[name] = view.because;
      else if (state === 'finished' && action === 'off') found[name] = `it was switched off on purpose: ${reason}`;
    }
    return found;
  }

  private async recall(): Promise<void> {
    const { env } = this.context;
    const text = await env.journal.read(knownFile);
    if (text === null) return;
    const parsed = parseRecord(KnownPeers, text);
    if (!parsed.ok) {
      env.log.warn('what was kept of the peers cannot be read', { because: parsed.because });
      return;
    }
    this.kept = text;
    this.excused = parsed.record.excused;
    this.peers.recall(parsed.record.registrations);
  }
}
