/**
 * What this node does about VMs: it compares its libvirt with the records, on a beat and at each hint. Observe (catalog, list)
 * -> decide (core/vm.ts) -> act, one thing at a time for each VM, beside everything else: no VM and no libvirt that hangs holds
 * up another one, or the keepalive.
 *
 * S2: nothing is started, switched off or forgotten but on a record that was read again right before; what cannot be read is
 * left alone; and when libvirt does not answer, nothing is known and nothing is done.
 */
import { decide } from '../../core/decision.ts';
import { claimOf, keptApart } from '../../core/placement.ts';
import type { Guest, GuestFacts, GuestStep } from '../../core/vm.ts';
import { judgeGuest } from '../../core/vm.ts';
import type { Hypervisor } from '../../environment/hypervisor.ts';
import { printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { GuestList, straysMax } from '../../records/vm.ts';
import { Bell } from '../bell.ts';
import type { Context } from '../context.ts';
import type { Peers } from '../peers.ts';
import { putRecord } from '../put-record.ts';
import { vmRecordsAreOld } from '../recent-restore.ts';
import { VmCatalog } from './catalog.ts';
import { GuestActs } from './guest-acts.ts';
import { LeftMigrations } from './left-migrations.ts';
import { MissingGuests } from './missing-guests.ts';
import { MoveSource } from './source.ts';
import type { VmFile } from './vm-file.ts';
import { RestoredVms } from './restored.ts';
import { moveVm } from './vm-file.ts';

/** Hints come in bunches. */
const hintPauseMs = 5;

export class VmLoop {
  readonly catalog: VmCatalog;
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;
  private readonly acts: GuestActs;
  private readonly tasks = new Map<string, Promise<void>>();
  /** When (own monotonic clock) the last task of each VM ended: what was seen before says nothing about now. */
  private readonly endedMs = new Map<string, number>();
  private readonly starting = new Set<string>();
  /** As the last list had it; null: libvirt did not answer. */
  private lastGuests: ReadonlyMap<string, Guest> | null = null;
  /** What the list says that was written over this connection; empty: none was. */
  private published = '';
  /** Lists that this incarnation has begun to write; each has its number. */
  private lists = 0;
  /** Another one after each change of the connection and each restore: what was seen before may be of before the restore. */
  private connection = 0;
  /** The store was restored from an old copy, and what is known of the records must be forgotten. */
  private mustForget = false;
  /** VMs about which something is being done that began before the restore. */
  private readonly unfinished = new Set<string>();
  /** Looks since the restore that found a whole list. */
  private goodLooks = 0;
  /** When (own monotonic clock) the last look with a list began. */
  private lookedMs = -Infinity;
  /** Something that was being done has ended: what came of it is looked at. */
  private wokenByTask = false;
  private readonly bell: Bell;
  private readonly restored: RestoredVms;
  private readonly left: LeftMigrations;
  private readonly missing: MissingGuests;
  /** Why the records are not believed; null: they are. */
  private whyOld: string | null = null;

  constructor(context: Context, hypervisor: Hypervisor, peers: Peers) {
    this.context = context;
    this.restored = new RestoredVms(context, peers);
    this.left = new LeftMigrations(context, hypervisor);
    this.missing = new MissingGuests(hypervisor);
    this.bell = new Bell(context.env.clock, context.duties);
    this.hypervisor = hypervisor;
    this.catalog = new VmCatalog(context, () => this.wake());
    this.acts = new GuestActs(
      context,
      hypervisor,
      new MoveSource(context, hypervisor, peers, this.catalog),
      this.catalog,
      peers,
    );
  }

  wake(): void {
    this.bell.ring();
  }

  /** The store was restored from an old copy: what it says of the guests here is old. */
  forgetStore(): void {
    this.whyOld = 'ZooKeeper was restored from an old copy';
    this.mustForget = true;
    this.goodLooks = 0;
    this.lastGuests = null;
    this.missing.forget();
    for (const uuid of this.tasks.keys()) this.unfinished.add(uuid);
    this.connectionChanged();
    this.wake();
  }

  /** Perhaps the store was restored meanwhile: the list that stands there is not vouched for before it was written again. */
  private connectionChanged(): void {
    this.connection += 1;
    this.published = '';
    this.context.board.guestList = null;
  }

  async run(): Promise<void> {
    const { env, config, duties } = this.context;
    const stopListening = env.store.onSession(() => this.connectionChanged());
    while (!duties.aborted) {
      this.bell.listen();
      const isBeat = env.clock.monotonicMs() - this.lookedMs >= config.vms.checkInterval;
      await this.look(isBeat);
      const leftMs = this.lookedMs + config.vms.checkInterval - env.clock.monotonicMs();
      await this.bell.wait(Math.max(1, leftMs));
      if (this.bell.hasRung()) await env.clock.sleep(hintPauseMs, duties);
    }
    await Promise.all(this.tasks.values());
    stopListening();
  }

  private async look(isBeat: boolean): Promise<void> {
    const { env, board } = this.context;
    const sinceMs = env.clock.monotonicMs();
    if (this.mustForget) {
      this.lookedMs = sinceMs;
      if (env.store.session().state !== 'connected') return;
      this.mustForget = false;
      this.lists += 1;
      await this.restored.invalidateList(this.lists);
      this.published = ''; // a look that was under way when the restore was seen may have written its list before this one
      this.catalog.forget();
    }
    const changed = await this.catalog.refresh();
    const files = this.catalog.all();
    this.whyOld = await this.restored.whyOld({
      records: files.map(({ record }) => record),
      guests: this.lastGuests,
      goodLooks: this.goodLooks,
      unfinished: this.unfinishedInWords([...this.unfinished]),
    });
    if (this.whyOld === null) {
      this.left.forget();
      this.missing.forget();
    }
    const own = files.filter(({ record }) => record.node === this.context.self.name);
    board.guestsHeld = own.some(({ record }) => record.active);
    board.vmStates = countBy(own.map(({ record }) => record.state));
    if (changed !== null) this.goOnWithMoves(files);
    if (!isBeat && changed !== null && !this.isConcerned(changed)) return;
    this.lookedMs = sinceMs;
    // What began before the restore may change what runs here until it has ended: then libvirt is asked once more.
    const begunBefore = [...this.unfinished];
    const { connection } = this;
    const listed = await this.listed(files);
    this.lastGuests = listed.ok ? listed.value : null;
    if (listed.ok && vmRecordsAreOld(board))
      await this.left.look(
        files.map(({ record }) => record),
        listed.value,
        (uuid) => this.tasks.has(uuid),
      );
    const unfinished = this.unfinishedInWords(begunBefore);
    const isOfNow = connection === this.connection;
    if (isOfNow && listed.ok && unfinished === null) this.goodLooks += 1;
    board.guestPowers = listed.ok ? countBy([...listed.value.values()].map(({ power }) => power)) : null;
    if (isOfNow) await this.publish(listed, files, unfinished);
    if (changed === null) return;
    for (const file of files) {
      const { uuid } = file.record;
      const guest = listed.ok ? (listed.value.get(uuid) ?? null) : 'unknown';
      const isBusy = this.tasks.has(uuid) || (this.endedMs.get(uuid) ?? -Infinity) >= sinceMs;
      this.acts.locks.keep(file, guest, isBusy, this.whyOld !== null);
      if (guest !== 'unknown' && !isBusy && !this.acts.locks.isDropping(uuid)) this.consider(file, guest);
    }
    if (!listed.ok) return;
    const known = new Set(files.map(({ record }) => record.uuid));
    for (const uuid of this.endedMs.keys()) if (!known.has(uuid)) this.endedMs.delete(uuid);
    this.acts.forgetAllBut(known);
  }

  private async listed(files: readonly VmFile[]): ReturnType<Hypervisor['list']> {
    const listed = await this.hypervisor.list();
    if (!listed.ok || !vmRecordsAreOld(this.context.board)) return listed;
    const because = await this.missing.whyDoubted(
      files.map(({ record }) => record),
      listed.value,
    );
    return because === null ? listed : { ok: false, because };
  }

  /** Whether a hint is about a VM of this node that nothing is being done about: else it is not worth a list. */
  private isConcerned(changed: readonly string[]): boolean {
    const { self } = this.context;
    const isOwn = (uuid: string) => {
      const record = this.catalog.get(uuid)?.record;
      return record?.node === self.name || record?.move?.target === self.name || this.lastGuests?.has(uuid) !== false;
    };
    const ended = this.wokenByTask;
    this.wokenByTask = false;
    return ended || changed.some((uuid) => !this.tasks.has(uuid) && isOwn(uuid));
  }

  /**
   * The steps between two nodes that need no new list: each list is a process, and a move would wait for several. What the
   * last list says of the guest is not trusted for more than that: a migration of what is not there fails by itself.
   */
  private goOnWithMoves(files: readonly VmFile[]): void {
    const { self } = this.context;
    for (const file of files) {
      const { uuid, node, move } = file.record;
      if (move === null || this.lastGuests === null || this.tasks.has(uuid)) continue;
      const isHomesTurn = node === self.name && (move.phase === 'prepared' || move.target === null);
      const isTargetsTurn = move.target === self.name && move.phase === 'asked';
      if (isHomesTurn || isTargetsTurn) this.consider(file, this.lastGuests.get(uuid) ?? null);
    }
  }

  private consider(file: VmFile, guest: Guest | null): void {
    const { config, self } = this.context;
    const { uuid, name, state, node, active, move } = file.record;
    const facts: GuestFacts = {
      self: self.name,
      state,
      node,
      active,
      move,
      guest,
      isOld: this.whyOld,
      mayNotStart: this.acts.mayNotStart(),
      ...this.acts.history(file.record),
      startsMax: config.vms.maxStarts,
      shutdownTimeoutMs: config.vms.shutdownTimeout,
    };
    // While it is only asked whether the store was restored, no record is carried out, and none is written over.
    const { whyOld } = this;
    const isAsking = whyOld !== null && !vmRecordsAreOld(this.context.board);
    const decision = isAsking ? decide<GuestStep>('nothing', whyOld) : judgeGuest(facts);
    const isHome = node === self.name;
    if (isHome && this.whyOld === null && this.comesBack(file)) {
      this.begin(uuid, async () => {
        await moveVm(this.context, file, 'start', `${self.name} is there for it again`, { stranded: false });
      });
      return;
    }
    if (decision.verdict === 'start' && this.starting.size >= config.vms.startsAtOnce) return;
    if (decision.verdict === 'nothing') {
      const isTrouble = isHome && state === 'start' && (guest === null || guest.power !== 'running');
      if (isTrouble) this.acts.tell(uuid, `${name}: ${decision.because}`);
      else this.acts.isWell(uuid);
      return;
    }
    this.begin(uuid, () => this.acts.carryOut(file, guest, decision), decision.verdict);
  }

  /** It was stopped only because no node was there for it, and of those kept apart from each other it is the first. */
  private comesBack({ record }: VmFile): boolean {
    if (!isStranded(record) || this.acts.mayNotStart() !== null) return false;
    const others = this.catalog.all().map((file) => file.record);
    const claims = others.map((other) =>
      claimOf(isStranded(other) && other.name < record.name ? { ...other, active: true } : other),
    );
    return keptApart(record, record.node, claims) === null;
  }

  private begin(uuid: string, work: () => Promise<void>, step: GuestStep | null = null): void {
    const { env } = this.context;
    if (step === 'start') this.starting.add(uuid);
    const task = work().finally(() => {
      this.tasks.delete(uuid);
      this.unfinished.delete(uuid);
      this.starting.delete(uuid);
      this.endedMs.set(uuid, env.clock.monotonicMs());
      // What only waits for somebody else is looked at again on the beat, or when its record changes: never in a circle.
      if (step !== null && waitsForOthers.includes(step)) return;
      this.wokenByTask = true;
      this.wake();
    });
    this.tasks.set(uuid, task);
  }

  /** Null: nothing that began before a restore is still being done, by this incarnation or by a previous one. */
  private unfinishedInWords(begun: readonly string[]): string | null {
    const names = (uuids: readonly string[]) => uuids.map((uuid) => this.catalog.get(uuid)?.record.name ?? uuid).sort();
    if (begun.length > 0) return `it was busy with ${names(begun).join(', ')} before the restore, and still is`;
    const left = this.left.uuids();
    return left.length === 0 ? null : `it looks whether libvirt is migrating ${names(left).join(', ')}`;
  }

  /** What is known of the guests, for nodectl and for whoever places VMs. `unfinished`: why it may change at any moment. */
  private async publish(
    listed: Awaited<ReturnType<Hypervisor['list']>>,
    files: readonly VmFile[],
    unfinished: string | null,
  ): Promise<void> {
    const { env, self, board } = this.context;
    const { connection } = this;
    const guests: GuestList['guests'] = {};
    if (listed.ok)
      for (const { record } of files) {
        const guest = listed.value.get(record.uuid);
        if (guest !== undefined) guests[record.uuid] = { power: guest.power, reason: guest.reason };
      }
    const known = new Set(files.map(({ record }) => record.uuid));
    const strays = listed.ok ? straysOf(listed.value, known) : [];
    const unknownBecause = (listed.ok ? unfinished : listed.because)?.slice(0, 300) ?? null;
    const content = JSON.stringify({ unknownBecause, guests, strays });
    if (content === this.published) return;
    this.lists += 1;
    const number = this.lists;
    const list: GuestList = { schema: 1, incarnation: self.incarnation, number, unknownBecause, guests, strays };
    const isWritten = await putRecord(env, tree.guests(self.name), printRecord(GuestList.parse(list)));
    if (!isWritten || connection !== this.connection) return;
    this.published = content;
    board.guestList = number;
  }
}

/** Steps that may end without a change: the next look is on the beat. */
const waitsForOthers: readonly GuestStep[] = ['shut-down', 'move', 'prepare', 'end-left-paused'];

function straysOf(listed: ReadonlyMap<string, Guest>, known: ReadonlySet<string>): string[] {
  const strays = [...listed].filter(([uuid, { power }]) => power !== 'off' && !known.has(uuid));
  return strays
    .map(([uuid]) => uuid)
    .sort()
    .slice(0, straysMax);
}

function isStranded({ state, stranded, autostart }: VmFile['record']): boolean {
  return state === 'stop' && stranded && autostart;
}

function countBy<T>(items: readonly T[]): Map<T, number> {
  const counts = new Map<T, number>();
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
  return counts;
}
