/**
 * What this node does about VMs: it compares its libvirt with the records, on a beat and at each hint. Observe (catalog, list)
 * -> decide (core/vm.ts) -> act, one thing at a time for each VM, beside everything else: no VM and no libvirt that hangs holds
 * up another one, or the keepalive.
 *
 * S2: nothing is started, switched off or forgotten but on a record that was read again right before; what cannot be read is
 * left alone; and when libvirt does not answer, nothing is known and nothing is done.
 */
import type { Decision } from '../../core/decision.ts';
import type { Guest, GuestFacts, GuestStep } from '../../core/vm.ts';
import { judgeGuest } from '../../core/vm.ts';
import type { Answer, Hypervisor } from '../../environment/hypervisor.ts';
import { parseRecord, printRecord } from '../../records/record.ts';
import { tree } from '../../records/tree.ts';
import { GuestList, VmDefinition } from '../../records/vm.ts';
import type { Context } from '../context.ts';
import { contactAgeMs } from '../context.ts';
import type { Peers } from '../peers.ts';
import { VmCatalog } from './catalog.ts';
import { lockRemoval, takeGuestLock } from './guest-lock.ts';
import { MoveSource } from './source.ts';
import type { VmFile } from './vm-file.ts';
import { changeVm, moveVm, readVm } from './vm-file.ts';

const startsWindowMs = 600_000;
/** Some guests listen only to the second press of the button. */
const askAgainMs = 10_000;
/** Hints come in bunches. */
const hintPauseMs = 20;

export class VmLoop {
  readonly catalog: VmCatalog;
  private readonly context: Context;
  private readonly hypervisor: Hypervisor;
  private readonly source: MoveSource;
  private readonly tasks = new Map<string, Promise<void>>();
  /** When (own monotonic clock) the last task of each VM ended: what was seen before says nothing about now. */
  private readonly endedMs = new Map<string, number>();
  private readonly starting = new Set<string>();
  private readonly starts = new Map<string, number[]>();
  private readonly lastTrouble = new Map<string, string>();
  private readonly asked = new Map<string, { readonly sinceMs: number; lastMs: number }>();
  private readonly lockedIn = new Map<string, number>();
  private readonly told = new Map<string, string>();
  private published = '';
  private waking = new AbortController();

  constructor(context: Context, hypervisor: Hypervisor, peers: Peers) {
    this.context = context;
    this.hypervisor = hypervisor;
    this.catalog = new VmCatalog(context, () => this.wake());
    this.source = new MoveSource(context, hypervisor, peers, this.catalog);
  }

  wake(): void {
    this.waking.abort();
  }

  async run(): Promise<void> {
    const { env, config, duties } = this.context;
    duties.addEventListener('abort', () => this.wake());
    while (!duties.aborted) {
      this.waking = new AbortController();
      await this.look();
      await env.clock.sleep(config.vms.checkInterval, this.waking.signal);
      if (this.waking.signal.aborted) await env.clock.sleep(hintPauseMs, duties);
    }
    await Promise.all(this.tasks.values());
  }

  private async look(): Promise<void> {
    const { env, board } = this.context;
    const sinceMs = env.clock.monotonicMs();
    const [isFresh, listed] = await Promise.all([this.catalog.refresh(), this.hypervisor.list()]);
    const files = this.catalog.all();
    board.guestsHeld = files.some(({ record }) => record.node === this.context.self.name && record.active);
    await this.publish(listed, files);
    if (!isFresh || !listed.ok) return;
    for (const file of files) {
      const { uuid } = file.record;
      const isBusy = this.tasks.has(uuid) || (this.endedMs.get(uuid) ?? -Infinity) >= sinceMs;
      if (!isBusy) this.consider(file, listed.value.get(uuid) ?? null);
    }
    for (const map of [this.endedMs, this.starts, this.lastTrouble, this.asked, this.lockedIn, this.told])
      for (const uuid of map.keys()) if (!files.some(({ record }) => record.uuid === uuid)) map.delete(uuid);
  }

  private consider(file: VmFile, guest: Guest | null): void {
    const { env, config, self } = this.context;
    const { uuid, name, state, node, active, move } = file.record;
    const nowMs = env.clock.monotonicMs();
    const recent = (this.starts.get(uuid) ?? []).filter((at) => nowMs - at < startsWindowMs);
    this.starts.set(uuid, state === 'start' || state === 'restart' ? recent : []);
    if (state !== 'shutdown' && state !== 'restart') this.asked.delete(uuid);
    const shutdownMs = this.asked.get(uuid)?.sinceMs;
    const facts: GuestFacts = {
      self: self.name,
      state,
      node,
      active,
      move,
      guest,
      mayNotStart: this.mayNotStart(),
      starts: recent.length,
      startsMax: config.vms.maxStarts,
      shutdownForMs: shutdownMs === undefined ? null : nowMs - shutdownMs,
      shutdownTimeoutMs: config.vms.shutdownTimeout,
    };
    const decision = judgeGuest(facts);
    const isHome = node === self.name;
    if (isHome && active && guest !== null && guest.power !== 'off') void this.holdLock(uuid);
    if (isHome && this.comesBack(file)) {
      this.begin(uuid, async () => {
        await moveVm(this.context, file, 'start', `${self.name} is there for it again`, { stranded: false });
      });
      return;
    }
    if (decision.verdict === 'start' && this.starting.size >= config.vms.startsAtOnce) return;
    if (decision.verdict === 'nothing') {
      const isTrouble = isHome && state === 'start' && (guest === null || guest.power !== 'running');
      if (isTrouble) this.tell(uuid, `${name}: ${decision.because}`);
      else this.told.delete(uuid);
      return;
    }
    this.begin(uuid, () => this.act(file, guest, decision), decision.verdict === 'start');
  }

  /** It was stopped only because no node was there for it. */
  private comesBack({ record }: VmFile): boolean {
    return record.state === 'stop' && record.stranded && record.autostart && this.mayNotStart() === null;
  }

  private begin(uuid: string, work: () => Promise<void>, isStart = false): void {
    const { env } = this.context;
    if (isStart) this.starting.add(uuid);
    const task = work().finally(() => {
      this.tasks.delete(uuid);
      this.starting.delete(uuid);
      this.endedMs.set(uuid, env.clock.monotonicMs());
      this.wake();
    });
    this.tasks.set(uuid, task);
  }

  /** A node that is on its way out, or that may be taken for dead by now, starts nothing. */
  private mayNotStart(): string | null {
    const { env, board, config, self } = this.context;
    if (board.daemonState !== 'run') return `${self.name} is in "${board.daemonState}"`;
    if (board.steppedDown !== null) return board.steppedDown;
    const age = contactAgeMs(this.context);
    if (env.store.session().state !== 'connected' || age === null || age > config.timing.contactMaxMs)
      return 'the store is away';
    return board.lateMs > config.keepalive.interval ? 'this process was paused a moment ago' : null;
  }

  private async act(judged: VmFile, guest: Guest | null, decision: Decision<GuestStep>): Promise<void> {
    const { uuid } = judged.record;
    const file = await readVm(this.context, uuid);
    if (file === null || file === 'none' || file.version !== judged.version) return;
    const { because } = decision;
    switch (decision.verdict) {
      case 'nothing':
        return;
      case 'check':
        return this.check(file);
      case 'start':
        return this.start(file, because);
      case 'take-up':
        if ((await takeGuestLock(this.context, uuid)) === null) await changeVm(this.context, file, { active: true });
        return;
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
        return this.prepare(file, guest);
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

  private async check(file: VmFile): Promise<void> {
    const { uuid } = file.record;
    const xml = await this.definition(uuid);
    if (!xml.ok) {
      this.tell(uuid, `${file.record.name}: ${xml.because}`);
      return;
    }
    const checked = await this.hypervisor.check(uuid, xml.value);
    if (checked.ok)
      await moveVm(this.context, file, 'accepted', `libvirt on ${this.context.self.name} takes its definition`);
    else await moveVm(this.context, file, 'refused', checked.because);
  }

  private async start(file: VmFile, because: string): Promise<void> {
    const { env, history, self } = this.context;
    const { uuid, name } = file.record;
    const locked = await takeGuestLock(this.context, uuid);
    if (locked !== null) {
      this.tell(uuid, `${name} is not started: ${locked}`);
      return;
    }
    this.lockedIn.set(uuid, env.store.session().generation);
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
    const unlock = await lockRemoval(this.context, uuid);
    if (unlock === null) return;
    await moveVm(this.context, file, event, because, { active: false }, unlock);
    this.lockedIn.delete(uuid);
  }

  /** As the target of a move: nothing is in the way here, and the home may begin. */
  private async prepare(file: VmFile, guest: Guest | null): Promise<void> {
    const { self, config, env } = this.context;
    const { name, move, node } = file.record;
    if (move === null) return;
    const hindrance = guest !== null ? `a guest of it is ${guest.power} here` : this.mayNotStart();
    const calledOff = hindrance === null ? null : `${self.name} cannot take it: ${hindrance}`;
    const address = config.vms.address ?? self.name;
    const ready = { ...move, phase: 'prepared', address, targetIncarnation: self.incarnation } as const;
    await changeVm(this.context, file, { move: calledOff === null ? ready : { ...move, calledOff } });
    if (calledOff === null) env.log.info('ready to take a VM in', { vm: name, because: `${node} moves it here` });
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
    await this.hypervisor.remove(uuid);
  }

  /** In each session anew: the lock is gone with the old one. */
  private async holdLock(uuid: string): Promise<void> {
    const { state, generation } = this.context.env.store.session();
    if (state !== 'connected' || this.lockedIn.get(uuid) === generation) return;
    this.lockedIn.set(uuid, generation);
    const trouble = await takeGuestLock(this.context, uuid);
    if (trouble !== null) this.lockedIn.delete(uuid);
  }

  /** Each trouble once, until it is another one. */
  private tell(uuid: string, because: string): void {
    if (this.told.get(uuid) === because) return;
    this.told.set(uuid, because);
    const { history, self } = this.context;
    history.happened('vm', because, { node: self.name, evidence: { uuid } });
  }

  /** What is known of the guests, for nodectl and for whoever places VMs. */
  private async publish(listed: Awaited<ReturnType<Hypervisor['list']>>, files: readonly VmFile[]): Promise<void> {
    const { env, self } = this.context;
    const guests: GuestList['guests'] = {};
    if (listed.ok)
      for (const { record } of files) {
        const guest = listed.value.get(record.uuid);
        if (guest !== undefined) guests[record.uuid] = { power: guest.power, reason: guest.reason };
      }
    const unknownBecause = listed.ok ? null : listed.because.slice(0, 300);
    const list: GuestList = { schema: 1, incarnation: self.incarnation, unknownBecause, guests };
    const text = printRecord(GuestList.parse(list));
    if (text === this.published) return;
    const path = tree.guests(self.name);
    const read = await env.store.read(path);
    const written = read.ok
      ? await env.store.write(path, text, read.version)
      : read.code === 'no-node'
        ? await env.store.create(path, text, 'persistent')
        : read;
    if (written.ok) this.published = text;
  }
}
