/**
 * What is known of the fence devices of all nodes, as this coordinator reads and writes it (`nodes/<name>/devices`). What it
 * has read once it remembers: a record that was lost, corrupted or restored from an old copy is written again from that.
 * What it finds out while the store is away counts here at once, and is written as soon as that is possible.
 */
import { inWords } from '../../core/decision.ts';
import type {
  DeviceFinding,
  DeviceKnowledge,
  DeviceNews,
  DevicePlace,
  DeviceStanding,
  KnowledgeCopy,
} from '../../core/device-trust.ts';
import {
  findingInWords,
  findingKey,
  isAt,
  merged,
  nothingKnown,
  sharedWith,
  standingOf,
  withNews,
} from '../../core/device-trust.ts';
import { foreignBmc, sameGuid } from '../../core/verification.ts';
import type { Environment } from '../../environment/environment.ts';
import type { FenceDevice } from '../../records/device.ts';
import { whereIs } from '../../records/device.ts';
import type { Silence } from '../../records/device-knowledge.ts';
import { DeviceKnowledgeRecord, endedMax, findingsMax, placesMax } from '../../records/device-knowledge.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import type { Registration } from '../../records/registration.ts';
import { tree } from '../../records/tree.ts';
import type { History } from '../history.ts';
import type { Peers } from '../peers.ts';
import type { Suspects } from './before-command.ts';
import { Settling } from './settling.ts';
import { SilenceBoard } from './silence-board.ts';

/** Tries of one write against others that write at the same moment. */
const triesMax = 5;
/** News that wait for the store; the oldest is dropped, and made again by the next verification. */
const pendingMax = 500;
/** Fences of which it is remembered what was heard. */
const marksMax = 200;
interface Pending {
  readonly target: string;
  readonly place: DevicePlace;
  readonly told: DeviceNews;
}

interface Read {
  readonly knowledge: DeviceKnowledge;
  /** Version and revision of the record; null: there is none yet. */
  readonly stored: { readonly version: number; readonly revision: number } | null;
}

/**
 * What a device that restarts does to a question, or says: that it initializes. A program that had to be ended is none: that is a slow device
 * (one that is silent lets the program give up by itself), and a slow BMC that counted as restarted could never be fenced.
 */
const silences = ['no-answer', 'refused-now'];

export class DeviceBook {
  private readonly env: Environment;
  private readonly history: History;
  private readonly peers: Peers;
  private readonly by: string;
  private readonly memory = new Map<string, DeviceKnowledgeRecord>();
  private pending: Pending[] = [];
  private readonly settling: Settling;
  private readonly silences: SilenceBoard;
  private heardOfMarks: string[] = [];
  private readonly hints = new Map<string, () => void>();

  constructor(by: string, env: Environment, history: History, peers: Peers) {
    this.by = by;
    this.env = env;
    this.history = history;
    this.peers = peers;
    this.settling = new Settling(env.clock);
    this.silences = new SilenceBoard(by, env.clock, this.settling, (where, change) =>
      this.writeSilences(where, change),
    );
    // It may lead to a store that was restored from an old copy.
    env.store.onSession(({ state }) => {
      if (state === 'connected') void this.refresh();
    });
  }

  /** What may be done with each device of a node, by its name. Read now; what cannot be read forbids everything. */
  async standings(
    target: string,
    devices: readonly DevicePlace[],
    deviceIsRight = false,
  ): Promise<ReadonlyMap<string, DeviceStanding>> {
    const read = await this.read(target);
    return this.judged(target, devices, read === null ? null : read.knowledge, deviceIsRight);
  }

  /** The same by what is remembered, for the time when the store is away. */
  rememberedStandings(target: string, devices: readonly DevicePlace[]): ReadonlyMap<string, DeviceStanding> {
    return this.judged(target, devices, this.remembered(target), false);
  }

  /** The knowledge as last read, with the news that are not written yet. */
  remembered(target: string): DeviceKnowledge {
    return this.withPending(target, this.memory.get(target) ?? nothingKnown);
  }

  /** Changes whenever a device of the node is distrusted, or trusted again. */
  trustMark(target: string, device: string): string {
    const findings = this.memory.get(target)?.findings ?? [];
    const own = findings.filter((one) => one.device === device);
    const marks = own.map((one) => [findingKey(one), one.readsOnAgain, one.isCleared].join('|'));
    return marks.sort().join();
  }

  /** Everything as last read, to be kept on the disk. */
  allRemembered(): Record<string, DeviceKnowledgeRecord> {
    return Object.fromEntries(this.memory);
  }

  /** What was kept on the disk: older than anything that the store shows, and better than nothing. */
  recall(kept: Readonly<Record<string, DeviceKnowledgeRecord>>): void {
    for (const [target, record] of Object.entries(kept)) if (!this.memory.has(target)) this.memory.set(target, record);
  }

  /**
   * A finding, or what refutes one. A finding counts here at once, and waits for a store that is away. What refutes one is bound to what is
   * known now, and written now or not at all: later it would refute what was found since.
   */
  async tell(target: string, place: DevicePlace, told: DeviceNews): Promise<void> {
    const known = this.remembered(target);
    if (withNews(known, place, told, this.by, 0) === known) return; // a record that lacks it is put back by refresh()
    if (!isAccusing(told)) {
      const basis = new Set(known.findings.map(findingKey));
      await this.write(target, (now) => onlyOfBasis(now, withNews(now, place, told, this.by, 0), basis));
      return;
    }
    const isSame = (one: Pending) =>
      one.target === target && isAt(one.place, place) && one.told.news === told.news && told.news !== 'disobeyed';
    this.pending = [...this.pending.filter((one) => !isSame(one)), { target, place, told }].slice(-pendingMax);
    await this.write(target);
  }

  /** Reads every record once, and writes what waits for the store; called with each round of verifications. */
  async refresh(): Promise<void> {
    const known = new Set(this.peers.all().map(({ name }) => name));
    for (const map of [this.memory, this.hints])
      for (const target of [...map.keys()]) if (!known.has(target)) map.delete(target);
    this.pending = this.pending.filter(({ target }) => known.has(target));
    for (const target of known) await this.read(target);
    const places = new Set(this.peers.all().flatMap(({ devices }) => devices.map(({ where }) => where)));
    this.settling.forget((where) => places.has(where));
    this.silences.forget((target) => known.has(target));
    for (const target of new Set(this.pending.map((one) => one.target))) await this.write(target);
  }

  /** To be told of each answer of a device: one that did not answer at all may have restarted. */
  heard(device: FenceDevice, fault: string | null, power: 'on' | 'off' | 'unknown'): void {
    const where = whereIs(device);
    if (fault === 'timeout') return; // neither silent nor met settled
    if (fault !== null && silences.includes(fault)) {
      this.settling.silent(where);
      void this.silences.tell(where);
    } else if (power === 'on') {
      this.settling.readOn(where);
      void this.silences.settled(where, true);
    } else if (this.settling.leftMs(where) === 0) void this.silences.settled(where, false);
  }

  /** It refused an order in its present state: because power is off already, or because it has just restarted. */
  refused(device: FenceDevice): void {
    this.settling.refusedOrder(whereIs(device));
  }

  /** A question to it begins; to be called when it has ended. */
  asks(device: FenceDevice): () => void {
    return this.settling.asks(whereIs(device));
  }

  /** The places of a node's devices of which others say, as last read, that they do not answer. */
  saidSilent(target: string): string[] {
    return this.silences.saidSilent(target);
  }

  /**
   * What another fencer met in the same fence, or says in the devices' record: from now on, by the own clock, as if it had been met here.
   * Once for each fence, so that it comes to an end whatever others go on to meet.
   */
  heardOf(fenceId: string, target: string, { unanswered, refused }: Suspects): void {
    for (const where of unanswered) if (this.isNewMark(`${fenceId} ${where}`)) this.settling.saidSilent(where);
    for (const where of this.silences.saidSilent(target))
      if (this.isNewMark(`${fenceId} said ${where}`)) this.settling.saidSilent(where);
    for (const where of refused)
      if (this.isNewMark(`${fenceId} refused ${where}`) && !this.settling.hasRefused(where))
        this.settling.refusedOrder(where);
  }

  private isNewMark(mark: string): boolean {
    if (this.heardOfMarks.includes(mark)) return false;
    this.heardOfMarks = [...this.heardOfMarks, mark].slice(-marksMax);
    return true;
  }

  /** The same as a sentence; null: its off counts. */
  unsettledBecause(device: FenceDevice): string | null {
    const leftMs = this.unsettledMs(device);
    if (leftMs === 0) return null;
    const what = this.settling.silenceLeftMs(whereIs(device)) > 0 ? 'did not answer' : 'refused an order';
    return `the device ${what} a moment ago, and one that has just restarted reports off (it counts in ${inWords(leftMs)})`;
  }

  /** Whether a question of this coordinator ended a moment ago without an answer; one that is still open may only be slow. */
  isSilent(device: FenceDevice): boolean {
    return this.settling.endedInSilence(whereIs(device));
  }

  /** Whether it has refused an order, and has not read on since. */
  hasRefused(device: FenceDevice): boolean {
    return this.settling.hasRefused(whereIs(device));
  }

  /** How long a reading of off proves nothing yet because the device may have just restarted, in ms; 0: it counts. */
  unsettledMs(device: FenceDevice): number {
    return this.settling.leftMs(whereIs(device));
  }

  /** Why a BMC that tells this GUID is not the target's; null: it may be. */
  foreignBmc(target: string, guid: string): string | null {
    return foreignBmc(guid, this.peers.get(target)?.systemGuid ?? null, this.peers.others(target));
  }

  /** Whether the BMC that tells this GUID is surely the target's: the machine tells the same, and no other machine does. */
  isOwnBmc(target: string, guid: string): boolean {
    const own = this.peers.get(target)?.systemGuid ?? null;
    return own !== null && sameGuid(own, guid) && foreignBmc(guid, null, this.peers.others(target)) === null;
  }

  private hintOf(target: string): () => void {
    const known = this.hints.get(target);
    if (known !== undefined) return known;
    const hint = () => void this.read(target);
    this.hints.set(target, hint);
    return hint;
  }

  private judged(
    target: string,
    devices: readonly DevicePlace[],
    knowledge: DeviceKnowledge | null,
    deviceIsRight: boolean,
  ): ReadonlyMap<string, DeviceStanding> {
    const all = this.peers.all();
    return new Map(
      devices.map((place) => {
        const facts = { place, knowledge, sharedWith: sharedWith(all, target, place), deviceIsRight };
        return [place.device, standingOf(facts)] as const;
      }),
    );
  }

  private withPending(target: string, knowledge: DeviceKnowledge): DeviceKnowledge {
    return this.pending
      .filter((one) => one.target === target)
      .reduce((known, { place, told }) => withNews(known, place, told, this.by, this.env.clock.wallMs()), knowledge);
  }

  /** Null: it cannot be read, and it is not known either what stood in it. */
  private async read(target: string): Promise<Read | null> {
    const { store } = this.env;
    const path = tree.devices(target);
    // Whoever remembers more than what somebody else wrote there writes it again at once.
    const read = await store.read(path, this.hintOf(target));
    if (!read.ok && read.code !== 'no-node') return null;
    const remembered = this.memory.get(target);
    if (!read.ok || read.text === '') {
      if (remembered === undefined) return { knowledge: this.withPending(target, nothingKnown), stored: null };
      return this.putBack(target, remembered, read.ok ? read.version : null);
    }
    const parsed = parseRecord(DeviceKnowledgeRecord, read.text);
    if (!parsed.ok) {
      this.history.happened('record-unreadable', `${path} cannot be read: ${parsed.because}`, { node: target });
      return remembered === undefined ? null : this.putBack(target, remembered, read.version);
    }
    const both = remembered === undefined ? parsed.record : merged(remembered, parsed.record);
    if (!isSameKnowledge(both, parsed.record)) {
      // The store was restored from an old copy, or changed by one that knew less: what stands in either counts.
      return this.putBack(target, { ...parsed.record, ...bounded(both) }, read.version);
    }
    this.memory.set(target, parsed.record);
    this.silences.read(target, parsed.record.silent);
    const stored = { version: read.version, revision: parsed.record.revision };
    return { knowledge: this.withPending(target, parsed.record), stored };
  }

  /** Writes what is remembered over what was lost; by version, so that another coordinator may be faster. */
  private async putBack(
    target: string,
    remembered: DeviceKnowledgeRecord,
    version: number | null,
  ): Promise<Read | null> {
    const record = { ...remembered, revision: remembered.revision + 1 };
    const knowledge = this.withPending(target, record);
    const written = await this.put(target, record, version);
    if (written === null) return { knowledge, stored: null };
    this.memory.set(target, record);
    return { knowledge, stored: { version: written, revision: record.revision } };
  }

  private async put(target: string, record: DeviceKnowledgeRecord, version: number | null): Promise<number | null> {
    const { store } = this.env;
    const text = printRecord(DeviceKnowledgeRecord.parse(record));
    if (version === null) return (await store.create(tree.devices(target), text, 'persistent')).ok ? 0 : null;
    const written = await store.write(tree.devices(target), text, version);
    return written.ok ? written.version : null;
  }

  /** Writes the pending news of one node, and a change. What cannot be written stays pending; the change does not. */
  private async write(
    target: string,
    change: ((now: DeviceKnowledge) => DeviceKnowledge) | null = null,
    silences: ((now: readonly Silence[]) => readonly Silence[]) | null = null,
  ): Promise<boolean> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const mine = this.pending.filter((one) => one.target === target);
      if (mine.length === 0 && change === null && silences === null) return true;
      const before = await this.read(target);
      if (before === null) return false;
      const old = this.memory.get(target);
      const kept = change === null ? before.knowledge : change(before.knowledge);
      const silentBefore = old?.silent ?? [];
      const silent = silences === null ? silentBefore : silences(silentBefore);
      if (mine.length === 0 && kept === before.knowledge && silent === silentBefore) return true;
      const record: DeviceKnowledgeRecord = {
        schema: 1,
        ...bounded({ ...kept, revision: 0, ended: this.endedBy(old ?? null, kept.findings) }),
        silent: [...silent],
        revision: (before.stored?.revision ?? 0) + 1,
        cleared: old?.cleared ?? null,
      };
      const written = await this.put(target, record, before.stored?.version ?? null);
      if (written === null) continue;
      this.memory.set(target, record);
      this.silences.read(target, record.silent);
      this.pending = this.pending.filter((one) => !mine.includes(one));
      this.announce(target, old ?? nothingKnown, record);
      return true;
    }
    return false;
  }

  /** In the record of each node that names this device; whether all of it was written. */
  private async writeSilences(
    where: string,
    change: (now: readonly Silence[]) => readonly Silence[],
  ): Promise<boolean> {
    const owners = this.peers.all().filter(({ devices }) => devices.some((one) => one.where === where));
    for (const { name } of owners) if (!(await this.write(name, null, change))) return false;
    return owners.length > 0;
  }

  /** With what ends by this very write. */
  private endedBy(old: DeviceKnowledgeRecord | null, now: readonly DeviceFinding[]): string[] {
    const isGone = (finding: DeviceFinding) => !now.some((one) => findingKey(one) === findingKey(finding));
    const before = old?.findings.filter(isGone).map(findingKey) ?? [];
    return [...new Set([...(old?.ended ?? []), ...before])];
  }

  private announce(target: string, before: DeviceKnowledge, now: DeviceKnowledge): void {
    for (const finding of now.findings) {
      if (before.findings.some((one) => findingKey(one) === findingKey(finding))) continue;
      const because = `${target}: device ${finding.device} (${finding.where}) is distrusted: ${findingInWords(finding)}`;
      this.history.happened('device-distrusted', because, { node: target, evidence: { kind: finding.kind } });
    }
    for (const finding of before.findings) {
      if (now.findings.some((one) => one.kind === finding.kind && isAt(one, finding))) continue;
      const because = `${target}: device ${finding.device} (${finding.where}) is trusted again; it was distrusted because ${finding.because}`;
      this.history.happened('device-trusted', because, { node: target, evidence: { kind: finding.kind } });
    }
  }
}

function isAccusing({ news }: DeviceNews): boolean {
  return news === 'wrong-state' || news === 'disobeyed' || news === 'other-machine';
}

/** `changed`, but what was found after the basis stands as it was. */
function onlyOfBasis(now: DeviceKnowledge, changed: DeviceKnowledge, basis: ReadonlySet<string>): DeviceKnowledge {
  const since = now.findings.filter((finding) => !basis.has(findingKey(finding)));
  if (since.length === 0) return changed;
  const isSince = (finding: DeviceFinding) => since.some((one) => findingKey(one) === findingKey(finding));
  return { ...changed, findings: [...changed.findings.filter((finding) => !isSince(finding)), ...since] };
}

export function placesOfNode(registration: Registration | null): DevicePlace[] | null {
  return registration?.devices.map(({ name, where }) => ({ device: name, where })) ?? null;
}

/** The newest of everything, within what a record may hold: a union of two full copies is larger than one. */
function bounded({
  revision,
  findings,
  seenOn,
  ended,
}: KnowledgeCopy): Omit<DeviceKnowledgeRecord, 'schema' | 'cleared' | 'silent'> {
  return {
    revision,
    findings: findings.slice(-findingsMax),
    seenOn: seenOn.slice(-placesMax),
    ended: ended.slice(-endedMax),
  };
}

/** `now` says nothing that `before` does not say; which revision it has does not matter. */
function isSameKnowledge(now: KnowledgeCopy, before: KnowledgeCopy): boolean {
  const keys = (copy: KnowledgeCopy) => copy.findings.map(findingKey).sort().join();
  const isEnded = now.ended.every((key) => before.ended.includes(key));
  return keys(now) === keys(before) && now.seenOn.length === before.seenOn.length && isEnded;
}
