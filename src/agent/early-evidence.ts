/**
 * Beside the monitor: at the first failed saving throw of a peer its power is read, and its API is asked. What comes of it
 * never delays a look, and never counts a throw: it can only end the wait early (core/early-evidence.ts), or stand in the
 * record as what the node itself said. Observers take turns, so that a BMC is not asked by all at once.
 */
import type { PeerMemory } from '../core/detection.ts';
import { judgeEarly } from '../core/early-evidence.ts';
import { levelName } from '../core/levels.ts';
import type { Registration } from '../records/registration.ts';
import type { Context } from './context.ts';
import { devicesOf } from './fencing/devices.ts';
import { askWhose } from './fencing/whose.ts';
import { readTimed } from './fencing/before-command.ts';
import { readSign } from './fencing/life-sign.ts';
import { offApartMs } from '../core/levels.ts';
import { whereIs } from '../records/device.ts';
import type { FenceDevice } from '../records/device.ts';
import { Gate } from './gate.ts';
import type { Peers } from './peers.ts';

/** How long the observer whose turn it is has before the next one asks too. */
const turnMs = 400;
/** Two beats that just cross are everyday: the keepalive is read once more after this part of an interval before a BMC is asked. */
const crossingPart = 0.1;
const apiDeadlineMs = 1000;
/** For each silent node the store is asked for what every coordinator knows of its devices: so many nodes at once. */
const nodesAtOnce = 4;

interface Looking {
  readonly mark: string;
  busy: boolean;
  /** What the node said of itself on its API; empty: nothing. */
  word: string;
  /** Whether that was its own noded, and it has not stopped. */
  isUp: boolean;
  /** Why it is certainly without power; null: it is not known to be. */
  off: string | null;
}

export class EarlyEvidence {
  private readonly context: Context;
  private readonly peers: Peers;
  /** A silent node that is certainly without power. */
  private readonly onOff: (name: string, memory: PeerMemory, because: string) => void;
  private readonly looking = new Map<string, Looking>();
  private readonly reading = new Gate(nodesAtOnce);

  constructor(context: Context, peers: Peers, onOff: (name: string, memory: PeerMemory, because: string) => void) {
    this.context = context;
    this.peers = peers;
    this.onOff = onOff;
  }

  /** A throw of this peer has failed. `place`: how many observers ask before this one. Never waits. */
  silent(name: string, memory: PeerMemory, place: number): void {
    const { board, config } = this.context;
    if (!config.fencing.earlyEvidence) return;
    const registration = this.peers.get(name);
    if (registration === null || registration.incarnation !== memory.incarnation) return;
    const mark = `${memory.incarnation} ${memory.sequence ?? '-'}`;
    const before = this.looking.get(name);
    const now: Looking = before?.mark === mark ? before : { mark, busy: false, word: '', isUp: false, off: null };
    this.looking.set(name, now);
    if (now.busy || now.off !== null) return;
    now.busy = true;
    void this.askApi(registration, now);
    const provedOn = board.provedOn.get(name) === memory.incarnation;
    void this.readPower(registration, memory, now, provedOn, place).finally(() => (now.busy = false));
  }

  /** What the node said of itself since it fell silent; empty: nothing. */
  wordOf(name: string): string {
    return this.looking.get(name)?.word ?? '';
  }

  /** Its noded has answered since it fell silent: it has not stopped, whatever the store shows of it. */
  isUp(name: string): boolean {
    return this.looking.get(name)?.isUp ?? false;
  }

  /** Silent nodes that are certainly without power: their silence is no sign of a fault elsewhere. */
  offBecause(name: string): string | null {
    return this.looking.get(name)?.off ?? null;
  }

  /** A new keepalive: nothing of this counts any more. */
  forget(name: string): void {
    const before = this.looking.get(name);
    if (before !== undefined)
      this.looking.set(name, { ...before, mark: '', busy: false, word: '', isUp: false, off: null });
  }

  forgetRemoved(isRemoved: (name: string) => boolean): void {
    for (const name of this.looking.keys()) if (isRemoved(name)) this.looking.delete(name);
  }

  private async askApi({ name, apiAddress, incarnation }: Registration, now: Looking): Promise<void> {
    if (apiAddress === null) return;
    const asked = await this.context.env.peerApi.ask<'status'>(apiAddress, { kind: 'status' }, apiDeadlineMs);
    now.isUp = asked.ok && asked.answer.node === name && asked.answer.incarnation === incarnation;
    now.word =
      asked.ok && asked.answer.node !== name
        ? `at the API address of ${name} ${asked.answer.node} answers`
        : asked.ok
          ? `on its API ${name} says that it is ${asked.answer.state}: ${asked.answer.message}`
          : '';
  }

  private async readPower(
    registration: Registration,
    memory: PeerMemory,
    now: Looking,
    provedOn: boolean,
    place: number,
  ): Promise<void> {
    const { env, config, duties } = this.context;
    const level = registration.levels.map(levelName).find((name) => name !== 'watchdog' && name !== 'manual');
    if (level === undefined || !provedOn) return;
    const devices = devicesOf(env.secrets, registration, registration.name, level);
    if (!devices.ok) return;
    const { interval } = config.keepalive;
    await env.clock.sleep(interval * crossingPart + place * turnMs, duties);
    const isOver = () => duties.aborted || this.looking.get(registration.name) !== now;
    const isTrusted = () => this.isTrusted(registration.name, devices.value);
    const isBelieved = async () => !isOver() && (await this.isSilentYet(registration, memory)) && (await isTrusted());
    if (!(await this.reading.pass(isBelieved))) return;
    const readings: ('on' | 'off' | 'unknown')[] = [];
    // Beside the first reading; the fence asks again.
    const isOwn = this.areOwn(registration.name, devices.value);
    for (;;) {
      if (isOver()) return;
      readings.push(await this.powerOf(devices.value));
      if (!(await isOwn)) return;
      const silentMs = env.clock.monotonicMs() - (memory.lastNewAtMs ?? env.clock.monotonicMs());
      const decision = judgeEarly({ readings, provedOn, silentMs });
      if (decision.verdict === 'wait') return;
      if (decision.verdict === 'dead') {
        if (isOver() || !(await isTrusted()) || isOver()) return;
        now.off = decision.because;
        this.onOff(registration.name, memory, decision.because);
        return;
      }
      await env.clock.sleep(Math.max(offApartMs, config.fencing.pollInterval), duties);
    }
  }

  /** Only of devices that nothing is known against, that answer all coordinators, and that were read as on before, a reading of off is evidence. */
  private async isTrusted(target: string, devices: readonly FenceDevice[]): Promise<boolean> {
    const places = devices.map((device) => ({ device: device.name, where: whereIs(device) }));
    const standings = await this.context.devices.standings(target, places);
    const silent = this.context.devices.saidSilent(target);
    return (
      !places.some(({ where }) => silent.includes(where)) &&
      [...standings.values()].every(({ use, needsOn }) => use === 'ordinary' && !needsOn)
    );
  }

  /** Every device answers the question whose it is, and none says that it is another machine's. */
  private async areOwn(target: string, devices: readonly FenceDevice[]): Promise<boolean> {
    const whose = await Promise.all(devices.map((device) => askWhose(this.context, target, device)));
    return whose.every(({ foreign, fault }) => foreign === null && fault === null);
  }

  /** Of all devices together: on if one says so, off only when each says off, and none has just restarted. */
  private async powerOf(devices: readonly FenceDevice[]): Promise<'on' | 'off' | 'unknown'> {
    const readings = await Promise.all(devices.map((device) => readTimed(this.context, device)));
    if (readings.some(({ power }) => power === 'on')) return 'on';
    const isSettled = devices.every((device) => this.context.devices.unsettledMs(device) === 0);
    return readings.length > 0 && isSettled && readings.every(({ power }) => power === 'off') ? 'off' : 'unknown';
  }

  private async isSilentYet({ name }: Registration, memory: PeerMemory): Promise<boolean> {
    const sign = await readSign(this.context, name);
    return sign !== null && sign.incarnation === memory.incarnation && sign.sequence === memory.sequence;
  }
}
