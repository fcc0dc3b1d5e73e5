/**
 * The monitor: after each acknowledged keepalive of its own it looks at its peers (write, then read, in one session: what
 * it reads is at least as new as its own write). Observe -> decide (core/detection.ts) -> hand the dead to the fencing.
 *
 * S3: counts are forgotten after a new session, an own pause, or a gap in the own acknowledged writes.
 */
import { inWords } from '../core/decision.ts';
import type { ObserverHealth, PeerMemory, Sighting } from '../core/detection.ts';
import { forgetThrows, observe, unseenPeer } from '../core/detection.ts';
import type { RankedNode } from '../core/observers.ts';
import { monitors, observedBy } from '../core/observers.ts';
import { Keepalive } from '../records/keepalive.ts';
import type { PeerView } from '../records/keepalive.ts';
import { parseRecord } from '../records/record.ts';
import { tree } from '../records/tree.ts';
import type { Beat, Context } from './context.ts';
import { EarlyEvidence } from './early-evidence.ts';
import type { FencingLoop } from './fencing/fencing.ts';
import type { Peers } from './peers.ts';

export class Monitor {
  private readonly context: Context;
  private readonly peers: Peers;
  private readonly fencing: FencingLoop;
  private readonly memories = new Map<string, PeerMemory>();
  private readonly unreadable = new Map<string, string>();
  private busy = false;
  private generation = -1;
  private lastBeatSentMs: number | null = null;
  private lastPauseMs: number | null = null;
  private readonly early: EarlyEvidence;

  constructor(context: Context, peers: Peers, fencing: FencingLoop) {
    this.context = context;
    this.peers = peers;
    this.fencing = fencing;
    this.early = new EarlyEvidence(context, peers, (name, memory, because) => this.foundOff(name, memory, because));
  }

  /** One look; called with each acknowledged beat. A look that is still going on makes this one void. */
  async look(beat: Beat): Promise<void> {
    if (this.busy || this.context.duties.aborted) return;
    this.busy = true;
    try {
      await this.observeAll(beat);
    } finally {
      this.busy = false;
    }
  }

  private async observeAll(beat: Beat): Promise<void> {
    const { env, board, config } = this.context;
    const intervalMs = config.keepalive.interval;
    const gapMs = this.lastBeatSentMs === null ? intervalMs : beat.sentMs - this.lastBeatSentMs;
    this.lastBeatSentMs = beat.sentMs;
    this.forgetWhatIsOld(gapMs);

    const startedMs = env.clock.monotonicMs();
    const names = await this.peers.refresh();
    if (names === null || this.context.self.role !== 'coordinator') return; // workers observe nobody
    const watched = observedBy(this.context.self.name, this.ranked());
    const sightings = await Promise.all(watched.map((name) => this.sight(name)));
    const nowMs = env.clock.monotonicMs();
    const session = env.store.session();
    const health: ObserverHealth = {
      sessionLive: session.state === 'connected' && session.generation === this.generation,
      freshContact: true, // this look was called by an own beat, acknowledged after the last look
      lateMs: Math.max(gapMs - intervalMs, nowMs - startedMs, board.lateMs),
      intervalMs,
    };
    this.decideAll(watched, sightings, health, nowMs);
    await this.fencing.tick();
  }

  private decideAll(
    watched: readonly string[],
    sightings: readonly (Sighting | null)[],
    health: ObserverHealth,
    nowMs: number,
  ): void {
    const { board, config } = this.context;
    const settings = { savingThrows: config.detection.savingThrows, startDeadlineMs: config.detection.startDeadline };
    const quiet = nowMs < board.quietUntilMs;
    const dead: { name: string; memory: PeerMemory; because: string }[] = [];
    for (const [index, name] of watched.entries()) {
      const sighting = sightings[index] ?? null;
      if (sighting === null) continue; // not read in this interval: nothing is counted
      const before = this.memories.get(name) ?? unseenPeer;
      const seen = observe(before, sighting, health, nowMs, settings);
      // In the quiet period what is seen is remembered, what is not seen is not counted.
      const memory = quiet ? forgetThrows(seen.memory, nowMs) : seen.memory;
      const { verdict, because } = seen.decision;
      this.memories.set(name, memory);
      this.remember(name, memory);
      if (quiet && (verdict === 'silent' || verdict === 'dead')) {
        this.show(name, memory, 'unknown', 'the quiet period lasts; nothing is counted', nowMs);
        continue;
      }
      this.tell(name, before, memory, verdict, because);
      this.show(name, memory, verdict, because, nowMs);
      if (verdict === 'alive') this.early.forget(name);
      if (verdict === 'silent') this.early.silent(name, memory, this.placeBeside(name));
      const off = this.early.offBecause(name);
      if (verdict === 'silent' && off !== null) dead.push({ name, memory, because: off });
      if (verdict === 'dead') dead.push({ name, memory, because: withWord(because, this.early.wordOf(name)) });
    }
    for (const name of [...board.peers.keys()]) if (!watched.includes(name)) board.peers.delete(name);
    this.fencing.silentNodes = [...board.peers]
      .filter(
        ([, view]) =>
          view.throws >= Math.ceil(config.detection.savingThrows / 2) &&
          (view.verdict === 'silent' || view.verdict === 'dead'),
      )
      .map(([name]) => name)
      .filter((name) => this.early.offBecause(name) === null);
    for (const { name, memory, because } of dead) this.fencing.condemn(name, memory, because);
  }

  /** Power reads off: the other saving throws are not waited for. */
  private foundOff(name: string, memory: PeerMemory, because: string): void {
    const current = this.memories.get(name);
    const { env, board, history, duties } = this.context;
    const stands = current?.incarnation === memory.incarnation && current.sequence === memory.sequence;
    if (!stands || duties.aborted || env.clock.monotonicMs() < board.quietUntilMs) return;
    if (this.fencing.isConfirmedOff(name, memory.incarnation)) return;
    this.show(name, current, 'dead', because, env.clock.monotonicMs());
    history.happened('verdict', `${name} is held for dead: ${because}`, {
      node: name,
      evidence: { throws: current.throws, incarnation: current.incarnation, sequence: current.sequence },
    });
    this.fencing.condemn(name, current, because);
  }

  /** How many observers ask before this one when `name` falls silent. */
  private placeBeside(name: string): number {
    const asking = monitors(this.ranked().filter((node) => node.name !== name));
    const place = asking.indexOf(this.context.self.name);
    return place < 0 ? asking.length : place;
  }

  private remember(name: string, { incarnation, sequence, lastNewAtMs }: PeerMemory): void {
    if (incarnation !== null && sequence !== null && lastNewAtMs !== null)
      this.context.board.lastSeen.set(name, { incarnation, sequence, atMs: lastNewAtMs });
  }

  private show(name: string, memory: PeerMemory, verdict: PeerView['verdict'], because: string, nowMs: number): void {
    const silentMs = memory.lastNewAtMs === null ? null : Math.round(nowMs - memory.lastNewAtMs);
    const { heldBack } = this.context.board;
    if (verdict === 'alive') heldBack.delete(name);
    const held = heldBack.get(name)?.slice(0, 600) ?? null;
    this.context.board.peers.set(name, {
      verdict,
      throws: memory.throws,
      silentMs,
      because: because.slice(0, 600),
      held,
    });
  }

  private tell(name: string, before: PeerMemory, after: PeerMemory, verdict: string, because: string): void {
    const { env, config } = this.context;
    const wasDead = before.throws >= config.detection.savingThrows;
    if (verdict === 'silent' && !this.fencing.isConfirmedOff(name, after.incarnation)) {
      // One throw is everyday: two beats that just crossed. From the second on it is worth a line.
      const facts = { node: name, throws: after.throws, because: `${name}: ${because}` };
      env.log[after.throws === 1 ? 'debug' : 'warn']('saving throw failed', facts);
    }
    if (verdict === 'dead' && !wasDead && !this.fencing.isConfirmedOff(name, after.incarnation)) {
      this.context.history.happened('verdict', `${name} is held for dead: ${because}`, {
        node: name,
        evidence: { throws: after.throws, incarnation: after.incarnation, sequence: after.sequence },
      });
    }
    if (verdict === 'alive' && wasDead && before.incarnation === after.incarnation) {
      this.context.history.happened('verdict-withdrawn', `${name} publishes keepalives again`, { node: name });
    }
  }

  /** S3: what was counted before a new session, a pause or a gap says nothing about now. */
  private forgetWhatIsOld(gapMs: number): void {
    const { env, board, config } = this.context;
    const { timing, keepalive } = config;
    const nowMs = env.clock.monotonicMs();
    const session = env.store.session();
    const newSession = session.generation !== this.generation;
    const paused = board.pausedAtMs !== this.lastPauseMs;
    const first = this.generation < 0;
    this.generation = session.generation;
    this.lastPauseMs = board.pausedAtMs;
    if (!newSession && !paused && gapMs <= 3 * keepalive.interval) return;
    for (const [name, memory] of this.memories) this.memories.set(name, forgetThrows(memory, nowMs));
    // In a session that survived, all throws anew are time enough: they outlast a session and a beat (timing.ts).
    if (newSession) board.quietUntilMs = nowMs + timing.quietPeriodMs;
    if (first) return;
    const cause = newSession
      ? 'a new session with the store'
      : paused
        ? 'an own pause'
        : `${inWords(gapMs)} without an acknowledged keepalive of its own`;
    const quiet = newSession ? `; nothing is counted for ${inWords(timing.quietPeriodMs)}` : '';
    this.context.history.happened('observer-reset', `all saving throws are forgotten after ${cause}${quiet}`, {});
  }

  private ranked(): RankedNode[] {
    return this.peers.all().map((peer) => ({
      name: peer.name,
      role: peer.role,
      priority: peer.priority,
      present: this.isPresent(peer.name),
    }));
  }

  private isPresent(name: string): boolean {
    const view = this.context.board.peers.get(name);
    return name === this.context.self.name || (view?.verdict !== 'dead' && view?.verdict !== 'stopped');
  }

  /** Coordinators that seem able to act right now, for the turns of a failed fence. */
  presentCoordinators(): { name: string; priority: number }[] {
    return this.ranked().filter((node) => node.role === 'coordinator' && node.present);
  }

  /** Null: the read failed; that says nothing about the peer. */
  private async sight(name: string): Promise<Sighting | null> {
    const read = await this.context.env.store.read(tree.keepalive(name));
    if (!read.ok) return read.code === 'no-node' ? { kind: 'missing' } : null;
    if (read.text === '') return { kind: 'missing' };
    const parsed = parseRecord(Keepalive, read.text);
    if (!parsed.ok) {
      if (this.unreadable.get(name) !== parsed.because) {
        this.unreadable.set(name, parsed.because);
        const because = `${tree.keepalive(name)} cannot be read: ${parsed.because}; the node counts as unknown`;
        this.context.history.happened('record-unreadable', because, { node: name });
      }
      return { kind: 'unreadable', because: parsed.because };
    }
    this.unreadable.delete(name);
    const { incarnation, sequence, state, intervalMs, shutdownMs } = parsed.record;
    this.peers.saw(name, incarnation);
    return { kind: 'seen', incarnation, sequence, state, intervalMs, shutdownMs };
  }
}

function withWord(because: string, word: string): string {
  return word === '' ? because : `${because}; ${word}`;
}
