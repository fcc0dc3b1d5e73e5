/**
 * Beside the monitor: at the first failed saving throw of a peer its power is read, and its API is asked. What comes of it
 * never delays a look, and never counts a throw: it can only end the wait early (core/early-evidence.ts), or stand in the
 * record as what the node itself said (5.2). Observers take turns, so that a BMC is not asked by all at once.
 */
import type { PeerMemory } from '../core/detection.ts';
import { judgeEarly } from '../core/early-evidence.ts';
import { levelName } from '../core/levels.ts';
import type { Registration } from '../records/registration.ts';
import type { Context } from './context.ts';
import { devicesOf, powerOf } from './fencing/devices.ts';
import { readSign } from './fencing/life-sign.ts';
import { isFoundLying } from './fencing/proofs.ts';
import type { Peers } from './peers.ts';

/** How long the observer whose turn it is has before the next one asks too. */
const turnMs = 400;
/** Two beats that just cross are everyday: the keepalive is read once more after this part of an interval before a BMC is asked. */
const crossingPart = 0.1;
/** Between two readings: a part of an interval, so that a pulled plug is known within two. */
const againPart = 0.25;
const apiDeadlineMs = 1000;

interface Looking {
  readonly mark: string;
  busy: boolean;
  /** What the node said of itself on its API; empty: nothing. */
  word: string;
  /** Why it is certainly without power; null: it is not known to be. */
  off: string | null;
}

export class EarlyEvidence {
  private readonly context: Context;
  private readonly peers: Peers;
  /** A silent node that is certainly without power. */
  private readonly onOff: (name: string, memory: PeerMemory, because: string) => void;
  private readonly looking = new Map<string, Looking>();

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
    const now: Looking = before?.mark === mark ? before : { mark, busy: false, word: '', off: null };
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

  /** Silent nodes that are certainly without power: their silence is no sign of a fault elsewhere. */
  offBecause(name: string): string | null {
    return this.looking.get(name)?.off ?? null;
  }

  /** A new keepalive: nothing of this counts any more. */
  forget(name: string): void {
    const before = this.looking.get(name);
    if (before !== undefined) this.looking.set(name, { ...before, mark: '', busy: false, word: '', off: null });
  }

  private async askApi({ name, apiAddress }: Registration, now: Looking): Promise<void> {
    if (apiAddress === null) return;
    const asked = await this.context.env.peerApi.ask<'status'>(apiAddress, { kind: 'status' }, apiDeadlineMs);
    now.word = asked.ok ? `on its API ${name} says that it is ${asked.answer.state}: ${asked.answer.message}` : '';
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
    const sign = await readSign(this.context, registration.name);
    if (sign === null || sign.incarnation !== memory.incarnation || sign.sequence !== memory.sequence) return;
    if (await isFoundLying(this.context, this.peers, registration.name, level)) return;
    const readings: ('on' | 'off' | 'unknown')[] = [];
    for (;;) {
      if (duties.aborted || this.looking.get(registration.name) !== now) return;
      readings.push(await powerOf(env.power, devices.value));
      const silentMs = env.clock.monotonicMs() - (memory.lastNewAtMs ?? env.clock.monotonicMs());
      const decision = judgeEarly({ readings, provedOn, silentMs });
      if (decision.verdict === 'wait') return;
      if (decision.verdict === 'dead') {
        if (this.looking.get(registration.name) !== now) return;
        now.off = decision.because;
        this.onOff(registration.name, memory, decision.because);
        return;
      }
      await env.clock.sleep(Math.min(config.fencing.pollInterval, interval * againPart), duties);
    }
  }
}
