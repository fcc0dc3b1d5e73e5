/**
 * What is done about one VM on its node, each time on a record that was read again right before (S2): started, switched off,
 * recorded, got ready for a move. What each needs to remember between two looks stands here too.
 */
import type { Decision } from '../../core/decision.ts';
import type { Claim } from '../../core/placement.ts';
import { claimOf, keptApart } from '../../core/placement.ts';
import type { Guest, GuestStep } from '../../core/vm.ts';
import { isOnItsWay } from '../../core/vm.ts';
import type { Answer, Hypervisor } from '../../environment/hypervisor.ts';
import type { Operation } from '../../environment/store.ts';
import { parseRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { VmDefinition } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import { readFence } from '../fencing/fence-file.ts';
import type { Peers } from '../peers.ts';
import type { VmCatalog } from './catalog.ts';
import { readAllVms } from './desk.ts';
import { lockRemoval } from './guest-lock.ts';
import { HeldLocks } from './held-locks.ts';
import { askAgainMs, lookAt } from './shut-guest.ts';
import type { MoveSource } from './source.ts';
import { runsElsewhere } from './stray-guests.ts';
import type { VmFile } from './vm-file.ts';
import { changeVm, moveVm, readVm, standsUnchanged } from './vm-file.ts';

const startsWindowMs = 600_000;

export class GuestActs {
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;
  private readonly source: MoveSource;
  private readonly catalog: VmCatalog;
  private readonly peers: Peers;
  private readonly starts = new Map<string, number[]>();
  private readonly lastTrouble = new Map<string, string>();
  private readonly asked = new Map<string, { readonly sinceMs: number; lastMs: number }>();
  private readonly told = new Map<string, string>();
  readonly locks: HeldLocks;

  constructor(context: Context, hypervisor: Hypervisor, source: MoveSource, catalog: VmCatalog, peers: Peers) {
    this.context = context;
    this.peers = peers;
    this.hypervisor = hypervisor;
    this.source = source;
    this.catalog = catalog;
    this.locks = new HeldLocks(context, ({ record: { uuid } }, because) =>
      context.history.happened('vm', because, { node: context.self.name, evidence: { uuid } }),
    );
  }

  /** What was done before that a decision rests on. What belongs to another state is forgotten. */
  history({ uuid, state }: VmFile['record']): { readonly starts: number; readonly shutdownForMs: number | null } {
    const nowMs = this.context.env.clock.monotonicMs();
    const recent = (this.starts.get(uuid) ?? []).filter((at) => nowMs - at < startsWindowMs);
    this.starts.set(uuid, state === 'start' || state === 'restart' ? recent : []);
    if (state !== 'shutdown' && state !== 'restart') this.asked.delete(uuid);
    const sinceMs = this.asked.get(uuid)?.sinceMs;
    return { starts: recent.length, shutdownForMs: sinceMs === undefined ? null : nowMs - sinceMs };
  }

  /** VMs that are not there any more. */
  forgetAllBut(uuids: ReadonlySet<string>): void {
    for (const map of [this.starts, this.lastTrouble, this.asked, this.told])
      for (const uuid of map.keys()) if (!uuids.has(uuid)) map.delete(uuid);
    this.locks.forgetAllBut(uuids);
    this.source.forgetAllBut(uuids);
  }

  /** All is well with it: its next trouble is told again. */
  isWell(uuid: string): void {
    this.told.delete(uuid);
    this.source.leftPaused.forget(uuid);
  }

  /** A node that is on its way out, or that may be taken for dead by now, starts nothing. */
  mayNotStart(): string | null {
    const { env, board, config, self } = this.context;
    if (board.daemonState !== 'run') return `${self.name} is in "${board.daemonState}"`;
    if (board.steppedDown !== null) return board.steppedDown;
    const age = contactAgeMs(this.context);
    if (env.store.session().state !== 'connected' || age === null || age > config.timing.contactMaxMs)
      return 'the store is away';
    return board.lateMs > config.keepalive.interval ? 'this process was paused a moment ago' : null;
  }

  async carryOut(judged: VmFile, guest: Guest | null, decision: Decision<GuestStep>): Promise<void> {
    const { uuid } = judged.record;
    if (decision.verdict === 'nothing') return;
    const file = await readVm(this.context, uuid);
    if (file === null || file === 'none' || file.version !== judged.version) return;
    if (!(await standsUnchanged(this.context, file))) return;
    const { because } = decision;
    switch (decision.verdict) {
      case 'check':
        return this.check(file);
      case 'start':
        return this.start(file, because);
      case 'claim':
        return this.claim(file, because);
      case 'take-up':
        if ((await this.locks.take(file)) === null) await changeVm(this.context, file, { active: true });
        return;
      case 'end-left-paused':
        return this.endLeftPaused(file);
      case 'shut-down':
        return this.askToShutDown(file);
      case 'switch-off':
        return this.switchOff(file, because);
      case 'record-off':
        return this.recordOff(file, 'isOff', because);
      case 'record-stopped-by-itself':
        return this.recordOff(file, 'stoppedByItself', because);
      case 'give-up': {
        const trouble = this.lastTrouble.get(uuid);
        return this.recordOff(file, 'gaveUp', trouble === undefined ? because : `${because}: ${trouble}`);
      }
      case 'prepare':
        return this.prepare(file);
      case 'move':
        return this.source.goOn(file, guest);
      case 'remove-foreign':
        return this.removeForeign(file, guest, because);
    }
  }

  private async definition(uuid: string): Promise<Answer<string>> {
    const read = await this.context.env.store.read(tree.vmDefinition(uuid));
    if (!read.ok) return { ok: false, because: `its definition: ${read.because}` };
    const parsed = parseRecord(VmDefinition, read.text);
    return parsed.ok
      ? { ok: true, value: parsed.record.xml }
      : { ok: false, because: `its definition: ${parsed.because}` };
  }

  /** A guest that runs here already is taken up as it is; one that runs elsewhere would soon be one of two (S2). */
  private async check(file: VmFile): Promise<void> {
    const { uuid, name, notTaken } = file.record;
    const { self } = this.context;
    const asked = await this.hypervisor.guestAt(null, uuid);
    const elsewhere = await runsElsewhere(this.context, this.peers, uuid);
    const guest = asked.ok ? asked.value : null;
    const isUnclear = guest !== null && (guest.power === 'unknown' || isOnItsWay(guest));
    const unclear = isUnclear ? `a guest of it is ${guest.power} (${guest.reason}) on ${self.name}` : null;
    const why = elsewhere ?? (asked.ok ? unclear : `its libvirt does not answer: ${asked.because}`);
    if (why !== null) {
      const because = why.slice(0, 500);
      if (because !== notTaken) await changeVm(this.context, file, { notTaken: because });
      this.tell(uuid, `${name} is not taken: ${why}`);
      return;
    }
    if (guest !== null && guest.power !== 'off')
      return this.claim(file, `its guest is ${guest.power} on ${self.name} already: it is taken up as it is`);
    const xml = await this.definition(uuid);
    if (!xml.ok) {
      this.tell(uuid, `${file.record.name}: ${xml.because}`);
      return;
    }
    const checked = await this.hypervisor.check(uuid, xml.value);
    if (checked.ok)
      await moveVm(this.context, file, 'accepted', `libvirt on ${self.name} takes its definition`, { notTaken: null });
    else await moveVm(this.context, file, 'refused', checked.because, { notTaken: null });
  }

  private async start(file: VmFile, because: string): Promise<void> {
    const { env, history, self } = this.context;
    const { uuid, name } = file.record;
    if (file.record.active && !(await this.isGone(file))) return;
    const locked = await this.locks.take(file);
    if (locked !== null) {
      this.tell(uuid, `${name} is not started: ${locked}`);
      return;
    }
    const mine = file.record.active ? file : await changeVm(this.context, file, { active: true, stranded: false });
    if (mine === null) return;
    const xml = await this.definition(uuid);
    if (!xml.ok) {
      this.tell(uuid, `${name}: ${xml.because}`);
      return;
    }
    const hindrance = this.mayNotStart();
    if (hindrance !== null) {
      this.tell(uuid, `${name} is not started: ${hindrance}`);
      return;
    }
    this.starts.set(uuid, [...(this.starts.get(uuid) ?? []), env.clock.monotonicMs()]);
    const startMs = env.clock.monotonicMs();
    const started = await this.hypervisor.start(uuid, xml.value);
    if (!started.ok) {
      this.lastTrouble.set(uuid, started.because);
      this.tell(uuid, `${name} could not be started: ${started.because}`);
      return;
    }
    this.lastTrouble.delete(uuid);
    this.told.delete(uuid);
    history.happened('vm', `${name} runs on ${self.name}: ${because}`, {
      node: self.name,
      evidence: { vm: name, tookMs: Math.round(env.clock.monotonicMs() - startMs) },
    });
  }

  private async claim(file: VmFile, because: string): Promise<void> {
    const { env, history, self } = this.context;
    const { uuid, name } = file.record;
    const locked = await this.locks.take(file);
    if (locked !== null) {
      this.tell(uuid, `${name} runs on ${self.name}, and that could not be recorded: ${locked}`);
      return;
    }
    const home = {
      node: self.name,
      state: 'start',
      active: true,
      move: null,
      stranded: false,
      notTaken: null,
    } as const;
    const facts = { because: because.slice(0, 1000), by: self.name, sinceWallMs: env.clock.wallMs() };
    if ((await changeVm(this.context, file, { ...home, ...facts })) === null) return;
    history.happened('vm', `${name}: ${because}`, { node: self.name, evidence: { vm: name, state: 'start' } });
  }

  private async endLeftPaused(file: VmFile): Promise<void> {
    const { uuid, name } = file.record;
    const judged = await this.source.leftPaused.judge(file);
    if (!(await standsUnchanged(this.context, file))) return;
    const hindrance = judged.verdict === 'wait' ? judged.because : this.mayNotStart();
    if (hindrance !== null) {
      this.tell(uuid, `${name} stands paused for a migration that its record does not know of: ${hindrance}`);
      return;
    }
    const ended = await this.hypervisor.switchOff(uuid);
    const removed = ended.ok ? await this.hypervisor.remove(uuid) : ended; // else it would count as switched off by somebody
    this.tell(
      uuid,
      removed.ok
        ? `${name} stood paused for a migration that its record does not know of: ${judged.because}; it is switched off and starts again`
        : `${name} could not be ended: ${removed.because}`,
    );
  }

  /** A guest that ran and is missing from the list is looked up: a list can be wrong, and nothing is started on it alone. */
  private async isGone({ record: { uuid, name } }: VmFile): Promise<boolean> {
    const here = await lookAt(this.hypervisor, uuid);
    if (here === 'unknown') this.tell(uuid, `${name} is not started: libvirt does not say whether it still runs here`);
    return here === 'off';
  }

  private async askToShutDown({ record: { uuid, name } }: VmFile): Promise<void> {
    const nowMs = this.context.env.clock.monotonicMs();
    const before = this.asked.get(uuid);
    if (before !== undefined && nowMs - before.lastMs < askAgainMs) return;
    this.asked.set(uuid, { sinceMs: before?.sinceMs ?? nowMs, lastMs: nowMs });
    const asked = await this.hypervisor.shutDown(uuid);
    if (!asked.ok) this.tell(uuid, `${name} could not be asked to shut down: ${asked.because}`);
  }

  private async switchOff({ record: { uuid, name } }: VmFile, because: string): Promise<void> {
    const done = await this.hypervisor.switchOff(uuid);
    this.tell(
      uuid,
      done.ok ? `${name} is switched off: ${because}` : `${name} could not be switched off: ${done.because}`,
    );
  }

  private async recordOff(file: VmFile, event: 'isOff' | 'stoppedByItself' | 'gaveUp', because: string): Promise<void> {
    const { uuid, name } = file.record;
    const removed = await this.hypervisor.remove(uuid);
    if (!removed.ok) {
      this.tell(uuid, `${name} is off and could not be forgotten: ${removed.because}`);
      return;
    }
    const unlock = await lockRemoval(this.context, uuid, this.context.self.name);
    if (unlock === null) return;
    await moveVm(this.context, file, event, because, { active: false }, unlock);
    this.locks.forget(uuid);
  }

  /**
   * As the target of a move: nothing is in the way here, and the home may begin. libvirt is asked again: one that has hung since
   * the last list would be given a guest that it never takes.
   */
  private async prepare(file: VmFile): Promise<void> {
    const { self, config, env } = this.context;
    const { uuid, name, move, node } = file.record;
    if (move === null) return;
    const asked = await this.hypervisor.guestAt(null, uuid);
    const guest = asked.ok ? asked.value : null;
    const isInTheWay = guest === null ? null : `a guest of it is ${guest.power} here`;
    const others = await this.othersNow(file);
    const fence = await readFence(this.context, self.name);
    if (others === null || fence === null) return;
    const apart = keptApart(file.record, self.name, claimsBefore(file.record, others.files));
    const silent = asked.ok ? null : `its libvirt does not answer: ${asked.because}`;
    const hindrance = silent ?? isInTheWay ?? apart ?? this.mayNotStart();
    const calledOff = hindrance === null ? null : `${self.name} cannot take it: ${hindrance}`;
    const address = config.vms.address ?? self.name;
    const own = { targetIncarnation: self.incarnation, targetFence: fence.record.id };
    const ready = { ...move, phase: 'prepared', address, ...own } as const;
    const next = { move: calledOff === null ? ready : { ...move, calledOff } };
    if ((await changeVm(this.context, file, next, others.unchanged)) === null) return;
    if (calledOff === null) env.log.info('ready to take a VM in', { vm: name, because: `${node} moves it here` });
  }

  /**
   * Every VM, and what must not have changed since they were read. What is kept apart is read anew, for the catalog may be a beat old: a
   * recovery gives such VMs away one at a time, each with a write of `/vms` (recovery.ts). Null: the store did not answer.
   */
  private async othersNow({
    record,
  }: VmFile): Promise<{ readonly files: readonly VmFile[]; readonly unchanged: readonly Operation[] } | null> {
    if (record.antiAffinity.length === 0) return { files: this.catalog.all(), unchanged: [] };
    const read = await this.context.env.store.read(tree.vms);
    const files = read.ok ? await readAllVms(this.context) : null;
    if (!read.ok || files === null) return null;
    return { files, unchanged: [{ kind: 'check', path: tree.vms, version: read.version }] };
  }

  private async removeForeign(file: VmFile, guest: Guest | null, because: string): Promise<void> {
    const { history, self } = this.context;
    const { uuid, name } = file.record;
    if (guest !== null && guest.power !== 'off') {
      history.happened('vm-failed', `${name}: ${because}; it is switched off here`, {
        node: self.name,
        evidence: { vm: name },
      });
      const done = await this.hypervisor.switchOff(uuid);
      if (!done.ok) {
        this.tell(uuid, `${name} could not be switched off here: ${done.because}`);
        return;
      }
    }
    const removed = await this.hypervisor.remove(uuid);
    if (!removed.ok) {
      this.tell(uuid, `${name} could not be forgotten here: ${removed.because}`);
      return;
    }
    await this.locks.drop(file); // else its node may never start it
  }

  /** Each trouble once, until it is another one. */
  tell(uuid: string, because: string): void {
    if (this.told.get(uuid) === because) return;
    this.told.set(uuid, because);
    const { history, self } = this.context;
    history.happened('vm', because, { node: self.name, evidence: { uuid } });
  }
}

/** Of several that want to come here at the same moment the first by name does. */
function claimsBefore({ name }: VmFile['record'], files: readonly VmFile[]): Claim[] {
  return files.map(({ record }) => {
    const isLater = record.move?.phase === 'asked' && record.name > name;
    return claimOf(isLater ? { ...record, move: null } : record);
  });
}
